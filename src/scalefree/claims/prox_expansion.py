"""AdamW is AdamProx's first-order expansion: one step differs to second order in eta. Computed, not trained."""

from scalefree.claims.verdict import Decision, Question, Verdict, computed
from scalefree.theory.prox_expansion import log_slope, one_step_differences

# One step's difference against the schedule eta, at a decay far above the paper's to stay well clear of rounding.
ETAS = (1.0, 0.3, 0.1, 0.03, 0.01)
DECAY = 1e-2
ORDER, ORDER_TOLERANCE = 2.0, 0.1

QUESTION = Question(
    number="1-step",
    name="prox_expansion",
    claim="One step of AdamW differs from AdamProx's to second order in the schedule.",
    statistic="distance from 2 of the slope of log |AdamProx - AdamW| after one step against log eta",
    unit="",
    sense="below",
    threshold=ORDER_TOLERANCE,
    signed=False,
)


def one_step_order() -> float:
    """The slope of log |AdamProx - AdamW| after one step against log eta."""
    steps = one_step_differences([DECAY] * len(ETAS), ETAS)
    return log_slope(ETAS, [step.measured for step in steps])


def judge_with(order: float) -> Verdict:
    """Judge from the order of the one-step difference."""
    off = abs(order - ORDER)
    verdict: Decision = "supported" if off <= ORDER_TOLERANCE else "contradicted"
    reason = f"one step differs to order {order:.2f} in eta"
    scope = f"a quadratic in float64, lambda {DECAY:g}, eta from {min(ETAS):g} to {max(ETAS):g}; no training"
    return computed(QUESTION, (verdict, reason), off, scope)


def judge() -> Verdict:
    """Judge the claim; needs no records."""
    return judge_with(one_step_order())
