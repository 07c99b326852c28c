"""Open question: does the prox in Adam's own metric, which is proximal but not scale-free, keep AdamW's advantage?

If it does, scale-freeness is not what the advantage needs. Schaipp (2023) reports that on ResNet-20 it does.
"""

from scalefree.claims.advantage import advantage, best_cells, difference, notes_of_best
from scalefree.claims.evidence import Evidence
from scalefree.claims.retention import Change, beyond_half, remaining
from scalefree.claims.selection import select
from scalefree.claims.verdict import Question, Verdict, judged_at_best_cells
from scalefree.experiments.results import Criterion

OPTIMIZERS = ("adaml2", "adamw", "adam_metric_prox")

QUESTION = Question(
    number="9",
    name="metric_prox",
    claim="The metric prox, proximal but not scale-free, keeps AdamW's advantage over Adam-l2.",
    statistic="advantage of the metric prox over Adam-l2, minus half of AdamW's",
    unit="points",
    sense="above",
    threshold=0.0,
)


def judge(evidence: Evidence) -> Verdict:
    """From the settings that have all three optimizers."""
    chosen = select(evidence.settings("metric_prox"), OPTIMIZERS)

    def changes(criterion: Criterion) -> list[Change]:
        found = []
        for setting in chosen.used:
            best = best_cells(setting, ("adaml2", "adam_metric_prox"), criterion)
            after = difference(best["adaml2"], best["adam_metric_prox"])
            found.append(Change(advantage(setting, criterion), after))
        return found

    notes = [*notes_of_best(chosen.used, OPTIMIZERS), *remaining(changes("test"))]
    return judged_at_best_cells(QUESTION, lambda c: beyond_half(changes(c)), chosen, notes, evidence.profile)
