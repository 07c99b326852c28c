"""Claim 5, its first half: with depth, Adam-l2's update scales spread out more than AdamW's."""

from collections.abc import Sequence
from statistics import mean

from scalefree.claims.across import SeedValues, slope_across
from scalefree.claims.advantage import PAIR, best_cells, is_usual_without_bn
from scalefree.claims.evidence import Evidence
from scalefree.claims.histograms import total_variation
from scalefree.claims.labels import setting_label
from scalefree.claims.selection import select
from scalefree.claims.settings import by_depth, doublings
from scalefree.claims.verdict import Measured, Question, Verdict, judged_at_best_cells
from scalefree.experiments import Point, Setting
from scalefree.experiments.results import Criterion

# Powers of two of interquartile range, Adam-l2's minus AdamW's, for each doubling of depth. The paper's histograms at
# depth 110 are a peak four bins wide and a nearly flat one over twenty: several powers of two after 2.5 doublings.
LEAST_GROWTH = 0.25
# Standard deviation over seeds that such a slope is given at the least.
LEAST_SPREAD = 0.02

QUESTION = Question(
    number="5a",
    name="update_scale_spread",
    claim="With depth, the update scales of Adam-l2 spread out more than those of AdamW.",
    statistic="slope over log2 of the depth of the difference in spread (interquartile range of log2 |update|/alpha "
    "over the coordinates that move, Adam-l2 minus AdamW at best cells)",
    unit="powers of two for each doubling of depth",
    sense="above",
    threshold=LEAST_GROWTH,
)


def spreads(point: Point, scalar: str = "iqr") -> SeedValues:
    """By seed, in powers of two, at the last epoch; runs that diverged or in which nothing moves have none."""
    return {
        seed: record.update_scale["network"][scalar]
        for seed, record in point.records.items()
        if record.outcome.status == "completed" and scalar in record.update_scale.get("network", {})
    }


def excess_spread(setting: Setting, criterion: Criterion, scalar: str = "iqr") -> SeedValues:
    """Adam-l2's spread minus AdamW's at their best cells, by the seeds that have both."""
    best = best_cells(setting, PAIR, criterion)
    first, second = (spreads(best[optimizer], scalar) for optimizer in PAIR)
    return {seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())}


def _measure(networks: Sequence[Setting], criterion: Criterion, scalar: str = "iqr") -> Measured:
    rows = [excess_spread(network, criterion, scalar) for network in networks]
    kept = [(x, row) for x, row in zip(doublings(networks), rows, strict=True) if row]
    if len(kept) < 2:
        return Measured(problem="fewer than two depths have the final update scales of both optimizers")
    return slope_across([x for x, _ in kept], [row for _, row in kept], LEAST_SPREAD)


def _note(evidence: Evidence, network: Setting) -> str:
    label = setting_label(network.config)
    best = best_cells(network, PAIR, "test")
    values = [spreads(point).values() for point in best.values()]
    if not all(values):
        return f"{label}: no final update scales of both optimizers"
    note = f"{label}: spread {mean(values[0]):.2f} (Adam-l2) and {mean(values[1]):.2f} (AdamW) powers of two"
    apart = total_variation(evidence, best["adaml2"], best["adamw"]).values()
    return f"{note}; {100 * mean(apart):.0f} % of the histograms' mass lies elsewhere" if apart else note


def judge(evidence: Evidence) -> Verdict:
    """From the last update scales of the ResNets without BatchNorm that differ only in depth."""
    chosen = select(evidence.settings("without_bn", "depth"), PAIR, is_usual_without_bn)
    networks = by_depth(chosen.used)
    chosen = chosen._replace(used=networks)
    notes = [_note(evidence, network) for network in networks]
    other = _measure(networks, "test", "std").effect
    if other is not None:
        notes.append(f"with the standard deviation as spread the slope is {other:.2g} {QUESTION.unit}")
    return judged_at_best_cells(QUESTION, lambda c: _measure(networks, c), chosen, notes, evidence.profile)
