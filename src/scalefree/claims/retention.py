"""How much of AdamW's advantage remains when one thing is changed: the open questions' common measure.

The question is whether more or less than half of the advantage remains, and the statistic is linear so that it can be
paired over seeds: (advantage after the change) - (advantage before) / 2. Nothing is asked where AdamW has no
advantage to begin with.
"""

from collections.abc import Sequence
from typing import NamedTuple

from scalefree.claims.across import NO_PAIRS, SeedValues, mean_across
from scalefree.claims.advantage import LEAST_SPREAD
from scalefree.claims.verdict import Measured, quantity

# Removed and kept meet in the middle.
KEPT_SHARE = 0.5


class Change(NamedTuple):
    """AdamW's advantage in points by seed, before and after, in one setting."""

    before: SeedValues
    after: SeedValues


def beyond_half(changes: Sequence[Change]) -> Measured:
    """The advantage that remains minus half of what there was, in points, mean over the settings."""
    rows = [
        {seed: change.after[seed] - KEPT_SHARE * change.before[seed] for seed in _seeds(change)} for change in changes
    ]
    if not rows or not all(rows):
        return NO_PAIRS
    measured = mean_across(rows, LEAST_SPREAD)
    before = mean_across([change.before for change in changes], LEAST_SPREAD)
    if before.interval is not None and before.effect is not None and before.interval.low <= 0:
        known = f"{quantity(before.effect, 'points')}, 95 % interval from {before.interval.low:+.3g}"
        problem = f"AdamW has no sure advantage to begin with ({known})"
        return Measured(measured.effect, measured.interval, problem)
    return measured


def remaining(changes: Sequence[Change]) -> list[str]:
    """In words: `of +24.8 points of advantage, +3.1 remain (12 %)`."""
    rows = [(change.before[seed], change.after[seed]) for change in changes for seed in _seeds(change)]
    if not rows:
        return []
    before, after = (sum(values) / len(rows) for values in zip(*rows, strict=True))
    share = f" ({100 * after / before:.0f} %)" if before > 0 else ""
    return [f"Of {before:+.1f} points of advantage over Adam-l2, {after:+.1f} remain{share}"]


def _seeds(change: Change) -> list[int]:
    return sorted(change.before.keys() & change.after.keys())
