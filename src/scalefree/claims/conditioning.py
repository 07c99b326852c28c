"""Scale-freeness removes the dependence on conditioning along the axes. Computed, not trained."""

import math
from collections.abc import Sequence

import numpy as np

from scalefree.claims.verdict import Decision, Question, Verdict, computed
from scalefree.theory.quadratics import CAP, SCALE_FREE, Count, counts

# A scale-free rule has the same iterates at every condition number of a diagonal Hessian, so its count is the same
# except for a step decided by rounding.
UNCHANGED = 1.05
# A rule that depends on conditioning takes many times as long at 1e8 as at 1.
DEPENDENT = 10.0
CONDITIONS = (1.0, 1e2, 1e4, 1e8)
ROTATION = 0

QUESTION = Question(
    number="3",
    name="conditioning",
    claim="On quadratics with a diagonal Hessian, scale-free rules do not depend on the condition number.",
    statistic="steps taken at the largest condition number over steps at the smallest, worst scale-free rule",
    unit="times",
    sense="below",
    threshold=UNCHANGED,
    signed=False,
)


def _growth(found: Sequence[Count], method: str, rotation: int | None) -> float:
    """Steps at the largest condition number over steps at the smallest; inf if it never gets there."""
    steps = {count.condition: count.steps for count in found if (count.method, count.rotation) == (method, rotation)}
    first, last = steps[min(steps)], steps[max(steps)]
    return last / first if math.isfinite(first) else math.inf


def judge_with(found: Sequence[Count]) -> Verdict:
    """Judge from counts of steps on diagonal and rotated problems."""
    # NumPy's max, because Python's loses a NaN.
    worst = float(np.max([_growth(found, method, None) for method in SCALE_FREE]))
    descent = _growth(found, "gradient descent", None)
    verdict: Decision = "inconclusive"
    if worst >= DEPENDENT:
        verdict, reason = "contradicted", f"a scale-free rule takes {worst:.3g} times as long"
    elif descent < DEPENDENT:
        reason = f"the problems are too easy to tell: gradient descent takes only {descent:.3g} times as long"
    elif worst <= UNCHANGED:
        verdict = "supported"
        reason = f"every scale-free rule takes the same steps, gradient descent {descent:.1e} times as many"
    else:
        reason = f"a scale-free rule takes {worst:.3g} times as long, which is neither the same nor many times as long"
    notes = []
    rotations = sorted({count.rotation for count in found if count.rotation is not None})
    for method in dict.fromkeys(count.method for count in found):
        growths = [_growth(found, method, rotation) for rotation in (None, *rotations)]
        texts = [f"{growth:.3g} times" if math.isfinite(growth) else f"more than {CAP:,} steps" for growth in growths]
        notes.append(f"{method}: {texts[0]} on the diagonal Hessian, {' and '.join(texts[1:])} on the rotated one")
    low, high = (f(count.condition for count in found) for f in (min, max))
    if all(_growth(found, method, rotation) >= DEPENDENT for method in SCALE_FREE for rotation in rotations):
        notes.append(
            "Only along the axes: on a rotated Hessian the scale-free rules depend on the condition number too"
        )
    scope = (
        f"quadratics in float64, condition numbers {low:g} to {high:g}, every rule at its best step size; no training"
    )
    effect = None if worst == math.inf else worst
    return computed(QUESTION, (verdict, reason), effect, scope, notes)


def judge() -> Verdict:
    """Judge the claim; needs no records."""
    return judge_with(counts(CONDITIONS, (ROTATION,)))
