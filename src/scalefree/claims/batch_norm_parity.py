"""Claim 4, first half: with BatchNorm the two optimizers are on par."""

from scalefree.claims.across import mean_across
from scalefree.claims.advantage import (
    LEAST_SPREAD,
    PAIR,
    TRAINED,
    advantage,
    best_cells,
    is_usual,
    mean_error,
    notes_of_best,
    notes_of_lacking,
)
from scalefree.claims.evidence import Evidence, scope, select
from scalefree.claims.intervals import Interval
from scalefree.claims.verdict import Measured, Question, Verdict, judged
from scalefree.experiments import Criterion, Setting

# One point either way: a third of the difference that the paper shows without BatchNorm, and about what its own
# figures differ by where the algorithm is the same (the column lambda = 0).
ON_PAR = 1.0

QUESTION = Question(
    number="4a",
    name="batch_norm_parity",
    claim="With BatchNorm, Adam-l2 and AdamW reach the same test error at their best cells.",
    statistic="mean difference of final test error, Adam-l2 minus AdamW, each at its best cell",
    unit="points",
    sense="within",
    threshold=ON_PAR,
)


def _measure(settings: list[Setting], criterion: Criterion) -> Measured | None:
    best = [best_cells(setting, PAIR, criterion) for setting in settings]
    known = [cells for cells in best if cells is not None]
    if len(known) < len(best) or not known:
        return None
    if any(min(map(mean_error, cells.values())) > TRAINED for cells in known):
        return Measured(problem=f"a network does not train at all (error above {TRAINED:g} points): nothing to compare")
    if all(cells["adaml2"].weight_decay == cells["adamw"].weight_decay == 0 for cells in known) and all(
        cells["adaml2"].lr == cells["adamw"].lr for cells in known
    ):
        # One algorithm and one run: this zero has no error bar.
        method = "both are best without decay, where they are one algorithm"
        return Measured(0.0, Interval(0.0, 0.0, len(known), "networks", method))
    return mean_across([advantage(setting, criterion) for setting in settings], LEAST_SPREAD)


def judge(evidence: Evidence) -> Verdict:
    """From the grids with BatchNorm."""
    candidates = evidence.settings("with_bn", "depth")
    chosen = select(candidates, PAIR, lambda config: is_usual(config) and config.model.batch_norm)
    by_test = Measured(problem=chosen.problem)
    by_validation = None
    if not chosen.problem:
        by_test = _measure(chosen.used, "test") or by_test
        by_validation = _measure(chosen.used, "validation")
    notes = notes_of_best(chosen.used, PAIR) + notes_of_lacking(chosen.lacking, PAIR)
    return judged(QUESTION, by_test, by_validation, scope(evidence.profile, chosen.used + chosen.lacking, PAIR), notes)
