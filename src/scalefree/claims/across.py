"""Means and slopes across settings, with intervals over seeds where there are seeds and over settings where not."""

from collections.abc import Mapping, Sequence

import numpy as np

from scalefree.claims.intervals import mean_interval, slope_interval
from scalefree.claims.verdict import Measured

# A value for each seed.
SeedValues = Mapping[int, float]
ALIKE = "it cannot be judged: all depths have the same value, and one seed does not tell how sure that is"
NO_PAIRS = Measured(problem="no pair of runs with the same seed has what is compared")


def common_seeds(rows: Sequence[SeedValues]) -> list[int]:
    """The seeds that every row has."""
    return sorted(set.intersection(*(set(row) for row in rows))) if rows else []


def mean_across(rows: Sequence[SeedValues], least_spread: float) -> Measured:
    """The mean over all rows (one a setting), each a mean over its seeds.

    With two seeds or more in every row, the interval is over seeds, each seed's value being its mean over the rows,
    as one seed's runs are paired. With one seed it is over the rows, and says what to expect of another setting.
    """
    if not rows or not all(rows):
        return NO_PAIRS
    seeds = common_seeds(rows)
    if len(seeds) >= 2:
        values, unit = [float(np.mean([row[seed] for row in rows])) for seed in seeds], "seeds"
    else:
        values, unit = [float(np.mean(list(row.values()))) for row in rows], "settings"
    return Measured(float(np.mean(values)), mean_interval(values, unit, least_spread))


def slope_across(x: Sequence[float], rows: Sequence[SeedValues], least_spread: float) -> Measured:
    """The slope of a row's values against its x, by least squares.

    With two seeds or more in every row, the interval is over the slopes of the seeds; with one, from the residuals of
    the line.
    """
    if len(set(x)) < 2:
        return Measured(problem="a slope needs two depths with all their cells")
    if not all(rows):
        return NO_PAIRS
    seeds = common_seeds(rows)
    if len(seeds) >= 2:
        slopes = [_slope(x, [row[seed] for row in rows]) for seed in seeds]
        return Measured(float(np.mean(slopes)), mean_interval(slopes, "seeds", least_spread))
    means = [float(np.mean(list(row.values()))) for row in rows]
    interval = slope_interval(x, means, "depths", least_spread)
    alike = len(means) > 2 and interval is None
    return Measured(_slope(x, means), interval, ALIKE if alike else "")


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    centred = np.asarray(x) - np.mean(x)
    return float(centred @ np.asarray(y) / (centred @ centred))
