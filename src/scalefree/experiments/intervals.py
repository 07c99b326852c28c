"""Confidence intervals and tests for means over seeds. Figures draw the same intervals that claims judge.

Below 30 values Student's t is used: in the tests' simulations its 95 % interval contains the true mean of normal
samples in 95 % of cases at any n, while the bootstrap (BCa) contains it in 77 % at n = 3 and 90 % at n = 10. If one
seed in five collapses by 40 points, no interval for a mean reaches its nominal coverage at n = 5 or 20 (56 to 92 %), so
a signed-rank test accompanies it and figures show every seed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit
from scipy.stats import bootstrap, spearmanr, wilcoxon

# From this many values on, a mean gets SciPy's BCa bootstrap.
LEAST_FOR_BOOTSTRAP = 30
RESAMPLES = 9999
# The 0.975 quantile of the normal distribution.
NORMAL_FACTOR = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        level: 0.95, or 0.9 for two one-sided tests at 5 %.
        n: how many values it was computed from.
        of: what the values belong to, in the plural: `seeds`, `networks`.
        method: the method in words.
    """

    low: float
    high: float
    n: int
    of: str
    method: str
    level: float = 0.95


def _spread(values: Sequence[float], least_spread: float) -> float:
    return max(float(np.std(values, ddof=1)), least_spread)


def mean_interval(values: Sequence[float], of: str, least_spread: float, level: float = 0.95) -> Interval | None:
    """The interval of the mean of `values`; None with fewer than two.

    Args:
        least_spread: a lower bound on their standard deviation, used even if all values agree: the next value might
            not.
    """
    n = len(values)
    if n < 2:
        return None
    plain = float(np.std(values, ddof=1)) >= least_spread
    if n >= LEAST_FOR_BOOTSTRAP and plain and np.ptp(values) > 0:
        done = bootstrap(
            (np.asarray(values),),
            np.mean,
            n_resamples=RESAMPLES,
            method="BCa",
            confidence_level=level,
            rng=np.random.default_rng(0),
        )
        low, high = float(done.confidence_interval.low), float(done.confidence_interval.high)
        if math.isfinite(low) and math.isfinite(high):
            return Interval(low, high, n, of, "BCa bootstrap", level)
    spread = _spread(values, least_spread)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * spread / math.sqrt(n)
    method = "Student's t" if plain else f"Student's t with the least spread allowed, {least_spread:g}"
    mean = float(np.mean(values))
    return Interval(mean - half, mean + half, n, of, method, level)


def chance_above(values: Sequence[float], threshold: float, least_spread: float) -> float:
    """p of a one-sided t test for the mean being above a threshold; 1 with fewer than two values."""
    if len(values) < 2:
        return 1.0
    error = _spread(values, least_spread) / math.sqrt(len(values))
    return float(stdtr(len(values) - 1, -(float(np.mean(values)) - threshold) / error))


def signed_rank(values: Sequence[float]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test for the values being symmetric about 0; None if all are 0."""
    # Errors count images, so their differences often tie; rounding errors in the last digits must not break the ties.
    rounded = np.round(values, 9)
    if len(rounded) < 2 or not rounded.any():
        return None
    return float(wilcoxon(rounded).pvalue)


def rank_correlation(x: Sequence[float], y: Sequence[float], of: str) -> tuple[float | None, Interval | None, float]:
    """Spearman's correlation, its interval (from five points on), and p for it being above 0.

    The correlation is None if x or y is constant or has a value that is not finite. The interval uses Fisher's z with
    the standard error of Bonett and Wright (2000), sqrt((1 + r^2 / 2) / (n - 3)). A perfect ranking is moved halfway to
    the next lower one, because otherwise its interval would have no width. p is below 0.05 exactly if the interval is
    above 0, and 1 if there is no interval.
    """
    if len(x) < 2 or not np.isfinite([*x, *y]).all() or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None, None, 1.0
    n = len(x)
    r = float(spearmanr(x, y).statistic)
    if n < 5:
        return r, None, 1.0
    furthest = 1 - 6 / (n * (n * n - 1))
    inside = min(max(r, -furthest), furthest)
    error = math.sqrt((1 + inside * inside / 2) / (n - 3))
    z, half = math.atanh(inside), NORMAL_FACTOR * error
    interval = Interval(math.tanh(z - half), math.tanh(z + half), n, of, "Fisher's z of Spearman's correlation")
    return r, interval, min(1.0, math.erfc(z / error / math.sqrt(2)))


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p values, in the order given."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    adjusted = [0.0] * len(chances)
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, min(1.0, (len(chances) - place) * chances[index]))
        adjusted[index] = running
    return adjusted
