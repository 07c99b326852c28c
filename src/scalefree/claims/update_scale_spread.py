"""Claim 5, first half: with depth, Adam-l2's update scales spread out more than AdamW's."""

from collections.abc import Sequence
from statistics import mean

from scalefree.claims.across import SeedValues, slope_across
from scalefree.claims.advantage import PAIR, best_cells, notes_of_lacking, without_bn
from scalefree.claims.depths import doublings, family
from scalefree.claims.evidence import Evidence, scope, select
from scalefree.claims.histograms import total_variation
from scalefree.claims.verdict import Measured, Question, Verdict, judged
from scalefree.experiments import Criterion, Point, Setting
from scalefree.records import model_label

# Powers of two of interquartile range, Adam-l2's minus AdamW's, for each doubling of depth. The paper's histograms at
# depth 110 are a peak four bins wide and a nearly flat one over twenty: several powers of two after 2.5 doublings.
LEAST_GROWTH = 0.25
# Standard deviation over seeds that such a slope is given at the least.
LEAST_SPREAD = 0.02

QUESTION = Question(
    number="5a",
    name="update_scale_spread",
    claim="With depth, the update scales of Adam-l2 spread out more than those of AdamW.",
    statistic="slope over log2 of the depth of the difference in spread (interquartile range of log2 |update|/alpha over "
    "the moving coordinates, Adam-l2 minus AdamW at best cells)",
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
    """Adam-l2's spread minus AdamW's at their best cells, by the seeds that both have."""
    best = best_cells(setting, PAIR, criterion)
    if best is None:
        return {}
    first, second = (spreads(best[optimizer], scalar) for optimizer in PAIR)
    return {seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())}


def _measure(networks: Sequence[Setting], criterion: Criterion, scalar: str = "iqr") -> Measured | None:
    if not all(best_cells(network, PAIR, criterion) for network in networks):
        return None
    rows = [excess_spread(network, criterion, scalar) for network in networks]
    kept = [index for index, row in enumerate(rows) if row]
    if len(kept) < 2:
        return Measured(problem="fewer than two depths have the update scales of both optimizers")
    return slope_across([doublings(networks)[i] for i in kept], [rows[i] for i in kept], LEAST_SPREAD)


def _note(evidence: Evidence, network: Setting) -> str:
    best = best_cells(network, PAIR, "test") or {}
    values = [list(spreads(point).values()) for point in best.values()]
    if not all(values):
        return f"{model_label(network.config)}: no final update scales of both optimizers"
    note = f"{model_label(network.config)}: spread {mean(values[0]):.2f} (Adam-l2), {mean(values[1]):.2f} (AdamW)"
    apart = total_variation(evidence, best["adaml2"], best["adamw"])
    return note if not apart else f"{note}; the histograms differ in {100 * mean(apart.values()):.0f} % of their mass"


def judge(evidence: Evidence) -> Verdict:
    """From the last update scales of the ResNets without BatchNorm that differ only in depth."""
    chosen = select(evidence.settings("without_bn", "depth"), PAIR, without_bn)
    networks = family(chosen.used)
    by_test = Measured(problem=chosen.problem)
    by_validation = None
    notes = [_note(evidence, network) for network in networks]
    if not chosen.problem:
        by_test = _measure(networks, "test") or by_test
        by_validation = _measure(networks, "validation")
        other = _measure(networks, "test", "std")
        if other is not None and other.effect is not None:
            notes.append(f"with the standard deviation for the spread the slope is {other.effect:.2g} {QUESTION.unit}")
    notes += notes_of_lacking(chosen.lacking, PAIR)
    return judged(QUESTION, by_test, by_validation, scope(evidence.profile, networks + chosen.lacking, PAIR), notes)
