"""Claim 4, second half: without BatchNorm AdamW trains and generalises better."""

from scalefree.claims.across import mean_across
from scalefree.claims.advantage import (
    LEAST_ADVANTAGE,
    LEAST_SPREAD,
    NAMES,
    PAIR,
    advantage,
    best_cells,
    notes_of_best,
    notes_of_lacking,
    without_bn,
)
from scalefree.claims.evidence import Evidence, scope, select
from scalefree.claims.verdict import Measured, Question, Verdict, judged
from scalefree.experiments import Criterion, Setting
from scalefree.records import model_label

QUESTION = Question(
    number="4b",
    name="advantage_without_bn",
    claim="Without BatchNorm, AdamW reaches a lower test error than Adam-l2 at their best cells.",
    statistic="mean difference of final test error over all networks, Adam-l2 minus AdamW, each at its best cell",
    unit="points",
    sense="above",
    threshold=LEAST_ADVANTAGE,
)


def _measure(settings: list[Setting], criterion: Criterion) -> Measured | None:
    rows = [advantage(setting, criterion) for setting in settings]
    return mean_across(rows, LEAST_SPREAD) if any(rows) else None


def _training_loss(setting: Setting) -> str:
    """Final training losses at the best cells: whether AdamW also trains better, not only generalises better."""
    best = best_cells(setting, PAIR, "test") or {}
    parts = []
    for optimizer, point in best.items():
        losses = [record.final_metrics.get("final_train_loss") for record in point.records.values()]
        known = [loss for loss in losses if loss is not None]
        if len(known) == len(losses):
            parts.append(f"{NAMES[optimizer]} {sum(known) / len(known):.3g}")
    return f"{model_label(setting.config)}: final training loss {', '.join(parts)}" if len(parts) == len(PAIR) else ""


def judge(evidence: Evidence) -> Verdict:
    """From the grids without BatchNorm."""
    chosen = select(evidence.settings("without_bn", "depth"), PAIR, without_bn)
    by_test = Measured(problem=chosen.problem)
    by_validation = None
    if not chosen.problem:
        by_test = _measure(chosen.used, "test") or by_test
        by_validation = _measure(chosen.used, "validation")
    notes = notes_of_best(chosen.used, PAIR)
    notes += [note for note in map(_training_loss, chosen.used) if note]
    notes += notes_of_lacking(chosen.lacking, PAIR)
    return judged(QUESTION, by_test, by_validation, scope(evidence.profile, chosen.used + chosen.lacking, PAIR), notes)
