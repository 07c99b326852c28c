"""Scale-freeness removes the dependence on conditioning along the axes. Computed, not trained."""

import math
from collections.abc import Sequence

import numpy as np

from scalefree.claims.verdict import Decision, Question, Verdict, computed
from scalefree.theory.quadratics import CAP, SCALE_FREE, Count, counts

# A scale-free rule makes the same iterates at every condition number of a diagonal Hessian, so its count is the same
# but for a step that rounding may decide.
UNCHANGED = 1.05
# What depends on conditioning takes many times as long at 1e8 as at 1.
DEPENDENT = 10.0
CONDITIONS = (1.0, 1e2, 1e4, 1e8)
ROTATION = 0

QUESTION = Question(
    number="3",
    name="conditioning",
    claim="On quadratics with a diagonal Hessian, scale-free rules do not depend on the condition number.",
    statistic="steps to the accuracy at the largest condition number over steps at the smallest, worst scale-free rule",
    unit="times",
    sense="below",
    threshold=UNCHANGED,
    signed=False,
)


def _growth(found: Sequence[Count], method: str, rotation: int | None) -> float:
    """Steps at the largest condition number over steps at the smallest; inf where it never arrives."""
    steps = {count.condition: count.steps for count in found if (count.method, count.rotation) == (method, rotation)}
    first, last = steps[min(steps)], steps[max(steps)]
    return last / first if math.isfinite(first) else math.inf


def judge_with(found: Sequence[Count]) -> Verdict:
    """From counts of steps on diagonal and rotated problems."""
    # NumPy's, as Python's loses a NaN.
    worst = float(np.max([_growth(found, method, None) for method in SCALE_FREE]))
    descent = _growth(found, "gradient descent", None)
    verdict: Decision = "inconclusive"
    if worst >= DEPENDENT:
        verdict, reason = "contradicted", f"a scale-free rule takes {worst:.3g} times as long"
    elif descent < DEPENDENT:
        reason = f"the problems tell nothing: gradient descent takes only {descent:.3g} times as long"
    elif worst <= UNCHANGED:
        verdict = "supported"
        reason = f"every scale-free rule takes the same steps, gradient descent {descent:.1e} times as many"
    else:
        reason = f"a scale-free rule takes {worst:.3g} times as long, neither the same nor many times"
    notes = []
    rotations = sorted({count.rotation for count in found if count.rotation is not None})
    for method in dict.fromkeys(count.method for count in found):
        growths = [_growth(found, method, rotation) for rotation in (None, *rotations)]
        texts = [f"{growth:.3g} times" if math.isfinite(growth) else f"more than {CAP:,} steps" for growth in growths]
        notes.append(f"{method}: {texts[0]} on the diagonal Hessian, {' and '.join(texts[1:])} on the rotated")
    low, high = (f(count.condition for count in found) for f in (min, max))
    if all(_growth(found, method, rotation) >= DEPENDENT for method in SCALE_FREE for rotation in rotations):
        notes.append("It takes the axes: on a rotated Hessian the scale-free rules depend on the condition number, too")
    scope = (
        f"quadratics in float64, condition numbers {low:g} to {high:g}, every rule at its best step size; no training"
    )
    effect = None if worst == math.inf else worst
    return computed(QUESTION, (verdict, reason), effect, scope, notes)


def judge() -> Verdict:
    """Needs no records."""
    return judge_with(counts(CONDITIONS, (ROTATION,)))
