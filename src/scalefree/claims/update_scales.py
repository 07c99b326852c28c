"""Statistics of update scales, |update| / alpha, for claims: their peak, and their spread in powers of two."""

import math

import numpy as np

from scalefree.bins import counts_name
from scalefree.claims.at import At
from scalefree.claims.verdict import Measured
from scalefree.experiments.evidence import readable_arrays, scalars
from scalefree.experiments.intervals import rank_correlation
from scalefree.experiments.pairs import SeedValues
from scalefree.optimizers import look

# v lets an update scale fall by at most one power of two in this many steps: 2 ln 2 / (1 - beta2).
STEPS_PER_HALVING = 2 * math.log(2) / 1e-3


def peak(at: At) -> SeedValues:
    """AdamW's share of coordinates in the four fullest bins, minus Adam-l2's."""
    first, second = (scalars(at.point(method), "update_scale", "peak_share") for method in ("adamw", "adaml2"))
    return first - second


def _forgotten_after(at: At, method: str) -> tuple[float, bool, float] | None:
    """Steps that v needs to forget the start, whether it may need more, and steps taken: medians over the seeds.

    It may need more if the first gradients are above the histogram's largest bin. If the last ones are below its
    smallest bin, the threshold is eps, below which v need not fall.
    """
    found = []
    for record in at.point(method).records.values():
        arrays = readable_arrays(at.evidence.store, record, "histograms")
        counts = arrays.get(counts_name("gradient", "network"))
        if counts is not None and len(counts) > 1:
            # Without the last bin, which counts values that are not finite.
            first, last = (int(np.searchsorted(row.cumsum(), row.sum() / 2)) for row in counts[[0, -1], :-1])
            taken = float(arrays["step"][-1]) if "step" in arrays else float(record.outcome.step)
            found.append((STEPS_PER_HALVING * (first - last), first == counts.shape[1] - 2, taken))
    if not found:
        return None
    needed, beyond, taken_steps = (np.median(column) for column in zip(*found, strict=True))
    return float(needed), bool(beyond > 0), float(taken_steps)


def too_short(at: At) -> str:
    """Why update scales cannot have gathered yet, because v still remembers the start; empty if they can."""
    for method in ("adamw", "adaml2"):
        found = _forgotten_after(at, method)
        if found is None:
            return (
                f"{look(method).label} has no gradient histograms, so it is not known whether v has forgotten the start"
            )
        needed, may_be_more, taken = found
        if taken < needed or may_be_more:
            least = "at least " if may_be_more else "about "
            return (
                f"not testable: {look(method).label}'s v needs {least}{needed:,.0f} steps to forget the start, "
                f"but the runs have only {taken:,.0f}"
            )
    return ""


def excess_and_advantage(at: At) -> Measured:
    """Spearman's correlation over seeds of Adam-l2's excess of the interquartile range and AdamW's advantage."""
    spreads = [scalars(at.point(method), "update_scale", "iqr") for method in ("adaml2", "adamw")]
    excess, advantage = spreads[0] - spreads[1], at("adaml2") - at("adamw")
    seeds = sorted(excess.keys() & advantage.keys())
    r, interval, chance = rank_correlation([excess[s] for s in seeds], [advantage[s] for s in seeds], "seeds")
    if r is None or interval is None:
        return Measured(r, problem=f"{len(seeds)} seeds; an interval needs at least five with different values")
    return Measured(r, interval, chance=chance)


def moved_spreads(at: At) -> SeedValues:
    """Adam-l2's change in the direction of its mean, minus the size of AdamW's change.

    With the sizes of both, it would look like an effect if Adam-l2's spread merely varied more from run to run.
    """

    def moved(method: str) -> SeedValues:
        before, after = at.point(method), at.point(method, loss_multiplier=100.0)
        return scalars(after, "update_scale", "iqr") - scalars(before, "update_scale", "iqr")

    of_adaml2, of_adamw = moved("adaml2"), moved("adamw")
    return of_adaml2 / math.copysign(1, sum(of_adaml2.values())) - abs(of_adamw)
