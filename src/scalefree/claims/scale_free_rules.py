"""At eps = 0 AdamW, AdamProx and scaled Adam-l2 are scale-free; Adam-l2 and the metric prox with a decay are not.

Computed, not trained.
"""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from scalefree.claims.verdict import Decision, Question, Verdict, computed
from scalefree.optim import RULES
from scalefree.optimizers import look
from scalefree.theory.scale_freeness import scale_free_defect

# Far above rounding errors after a hundred steps in float64, and far below any real dependence on the scale.
SCALE_FREE = 1e-10
# A defect of a hundredth of the distance travelled, or more, is due neither to rounding nor to eps.
NOT_SCALE_FREE = 1e-2

QUESTION = Question(
    number="2",
    name="scale_free_rules",
    claim="At eps = 0 AdamW, AdamProx and scaled Adam-l2 are scale-free; Adam-l2 and the metric prox are not.",
    statistic="scale-free defect: change of the iterates when each coordinate's gradients are multiplied by its own "
    "factor, from 1e-3 to 1e4, over the distance travelled; the largest of the first three rules",
    unit="",
    sense="below",
    threshold=SCALE_FREE,
    signed=False,
)
FREE, NOT_FREE = ("adamw", "adamprox", "adam_scaled_l2"), ("adaml2", "adam_metric_prox")
LR, DECAY = 1e-2, 1e-2

# By optimizer and eps.
Defects = Mapping[tuple[str, float], float]


def defects() -> Defects:
    """The defects of the claim's rules with a decay, at eps = 0 and at the usual eps."""
    return {
        (name, eps): scale_free_defect(partial(RULES[name], lr=LR, eps=eps, weight_decay=DECAY))
        for name in (*NOT_FREE, *FREE)
        for eps in (0.0, 1e-8)
    }


def judge_with(found: Defects) -> Verdict:
    """Judge from the defects."""
    # NumPy's max and min, because Python's lose a NaN.
    worst = float(np.max([found[name, 0.0] for name in FREE]))
    least = float(np.min([found[name, 0.0] for name in NOT_FREE]))
    verdict: Decision = "inconclusive"
    if worst >= NOT_SCALE_FREE:
        verdict, reason = "contradicted", f"one of the three has a defect of {worst:.1e}"
    elif least <= SCALE_FREE:
        verdict, reason = "contradicted", f"one of the other two has a defect of no more than {least:.1e}"
    elif worst <= SCALE_FREE and least >= NOT_SCALE_FREE:
        verdict = "supported"
        reason = f"defects {worst:.0e}, which is rounding; the others' {least:.2g} or more; nothing here is random"
    else:
        reason = f"defects of {worst:.1e} and {least:.1e} are neither rounding nor a hundredth of the distance"
    notes = [f"{look(name).label} at eps = {eps:g}: {value:.1e}" for (name, eps), value in found.items()]
    scope = f"100 steps in float64 on 40 coordinates, alpha {LR:g}, lambda {DECAY:g}; no training"
    return computed(QUESTION, (verdict, reason), worst if math.isfinite(least) else least, scope, notes)


def judge() -> Verdict:
    """Judge the claim; needs no records."""
    return judge_with(defects())
