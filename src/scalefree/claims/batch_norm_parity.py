"""Claim 4, its first half: with BatchNorm the two optimizers are on par."""

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
)
from scalefree.claims.evidence import Evidence
from scalefree.claims.selection import select
from scalefree.claims.verdict import Measured, Question, Verdict, judged_at_best_cells
from scalefree.experiments.results import Criterion

# One point either way: a third of the difference that the paper shows without BatchNorm, and about what its own
# figures differ by where the algorithm is the same (the column lambda = 0).
ON_PAR = 1.0

QUESTION = Question(
    number="4a",
    name="batch_norm_parity",
    claim="With BatchNorm, Adam-l2 and AdamW reach the same test error at their best cells.",
    statistic="mean difference of final test error over all networks, Adam-l2 minus AdamW, each at its best cell",
    unit="points",
    sense="within",
    threshold=ON_PAR,
)


def judge(evidence: Evidence) -> Verdict:
    """From the grids with BatchNorm."""
    candidates = evidence.settings("with_bn", "depth")
    chosen = select(candidates, PAIR, lambda config: is_usual(config) and config.model.batch_norm)

    def measure(criterion: Criterion) -> Measured:
        best = [best_cells(setting, PAIR, criterion) for setting in chosen.used]
        if any(min(map(mean_error, cells.values())) > TRAINED for cells in best):
            return Measured(problem=f"a network does not train at all (error above {TRAINED:g} points)")
        return mean_across([advantage(setting, criterion) for setting in chosen.used], LEAST_SPREAD)

    return judged_at_best_cells(QUESTION, measure, chosen, notes_of_best(chosen.used), evidence.profile)
