"""Claim 4, the end of it: without BatchNorm AdamW's advantage grows with depth."""

from scalefree.claims.across import slope_across
from scalefree.claims.advantage import LEAST_SPREAD, PAIR, advantage, notes_of_lacking, without_bn
from scalefree.claims.depths import doublings, family
from scalefree.claims.evidence import Evidence, scope, select
from scalefree.claims.verdict import Measured, Question, Verdict, judged
from scalefree.experiments import Criterion, Setting
from scalefree.records import model_label

# Points for each doubling of depth. The paper goes from about 0 at depth 20 to 3.1 at depth 110: 1.3 a doubling.
LEAST_GROWTH = 0.5

QUESTION = Question(
    number="4c",
    name="advantage_with_depth",
    claim="Without BatchNorm, AdamW's advantage over Adam-l2 grows with depth.",
    statistic="slope of the advantage (Adam-l2 minus AdamW at best cells) over log2 of the depth",
    unit="points for each doubling of depth",
    sense="above",
    threshold=LEAST_GROWTH,
)


def _measure(networks: list[Setting], criterion: Criterion) -> Measured | None:
    rows = [advantage(setting, criterion) for setting in networks]
    return slope_across(doublings(networks), rows, LEAST_SPREAD) if any(rows) else None


def judge(evidence: Evidence) -> Verdict:
    """From the ResNets without BatchNorm that differ only in depth."""
    chosen = select(evidence.settings("without_bn", "depth"), PAIR, without_bn)
    networks = family(chosen.used)
    by_test = Measured(problem=chosen.problem)
    by_validation = None
    if not chosen.problem:
        by_test = _measure(networks, "test") or by_test
        by_validation = _measure(networks, "validation")
    notes = []
    for network in networks:
        values = advantage(network, "test")
        by_seed = ", ".join(f"{value:+.1f} (seed {seed})" for seed, value in values.items())
        notes.append(f"{model_label(network.config)}: advantage in points {by_seed}")
    notes += notes_of_lacking(chosen.lacking, PAIR)
    return judged(QUESTION, by_test, by_validation, scope(evidence.profile, networks + chosen.lacking, PAIR), notes)
