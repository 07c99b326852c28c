"""Claim 4, its second half: without BatchNorm AdamW trains and generalises better."""

from scalefree.claims.across import mean_across
from scalefree.claims.advantage import (
    LEAST_ADVANTAGE,
    LEAST_SPREAD,
    PAIR,
    advantage,
    best_cells,
    is_usual_without_bn,
    notes_of_best,
)
from scalefree.claims.evidence import Evidence
from scalefree.claims.labels import setting_label
from scalefree.claims.selection import select
from scalefree.claims.verdict import Measured, Question, Verdict, judged_at_best_cells
from scalefree.experiments import Setting
from scalefree.experiments.results import Criterion
from scalefree.optimizers import look

QUESTION = Question(
    number="4b",
    name="advantage_without_bn",
    claim="Without BatchNorm, AdamW reaches a lower test error than Adam-l2 at their best cells.",
    statistic="mean difference of final test error over all networks, Adam-l2 minus AdamW, each at its best cell",
    unit="points",
    sense="above",
    threshold=LEAST_ADVANTAGE,
)


def _training_losses(setting: Setting) -> list[str]:
    """Whether AdamW also trains better, and does not only generalise better; nothing where a loss is not known."""
    parts = []
    for optimizer, point in best_cells(setting, PAIR, "test").items():
        losses = [record.final_metrics.get("final_train_loss") for record in point.records.values()]
        known = [loss for loss in losses if loss is not None]
        if len(known) < len(losses):
            return []
        parts.append(f"{look(optimizer).text} {sum(known) / len(known):.3g}")
    return [f"{setting_label(setting.config)}: final training loss there {', '.join(parts)}"]


def judge(evidence: Evidence) -> Verdict:
    """From the grids without BatchNorm."""
    chosen = select(evidence.settings("without_bn", "depth"), PAIR, is_usual_without_bn)

    def measure(criterion: Criterion) -> Measured:
        return mean_across([advantage(setting, criterion) for setting in chosen.used], LEAST_SPREAD)

    notes = notes_of_best(chosen.used)
    notes += [note for setting in chosen.used for note in _training_losses(setting)]
    return judged_at_best_cells(QUESTION, measure, chosen, notes, evidence.profile)
