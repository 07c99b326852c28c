"""Claim 4, its end: without BatchNorm AdamW's advantage grows with depth."""

from scalefree.claims.across import slope_across
from scalefree.claims.advantage import LEAST_SPREAD, PAIR, advantage, is_usual_without_bn
from scalefree.claims.evidence import Evidence
from scalefree.claims.labels import setting_label
from scalefree.claims.selection import select
from scalefree.claims.settings import by_depth, doublings
from scalefree.claims.verdict import Measured, Question, Verdict, judged_at_best_cells
from scalefree.experiments.results import Criterion

# Points for each doubling of depth. The paper goes from about 0 at depth 20 to 3.1 at depth 110: 1.3 a doubling.
LEAST_GROWTH = 0.5

QUESTION = Question(
    number="4c",
    name="advantage_with_depth",
    claim="Without BatchNorm, AdamW's advantage over Adam-l2 grows with depth.",
    statistic="slope of the advantage (test error of Adam-l2 minus AdamW's, at best cells) over log2 of the depth",
    unit="points for each doubling of depth",
    sense="above",
    threshold=LEAST_GROWTH,
)


def judge(evidence: Evidence) -> Verdict:
    """From the ResNets without BatchNorm that differ only in depth."""
    chosen = select(evidence.settings("without_bn", "depth"), PAIR, is_usual_without_bn)
    networks = by_depth(chosen.used)
    chosen = chosen._replace(used=networks)

    def measure(criterion: Criterion) -> Measured:
        rows = [advantage(network, criterion) for network in networks]
        return slope_across(doublings(networks), rows, LEAST_SPREAD)

    notes = []
    for network in networks:
        values = ", ".join(f"{value:+.1f} (seed {seed})" for seed, value in advantage(network, "test").items())
        notes.append(f"{setting_label(network.config)}: advantage in points {values}")
    return judged_at_best_cells(QUESTION, measure, chosen, notes, evidence.profile)
