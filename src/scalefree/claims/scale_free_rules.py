"""Claim 2: AdamW and AdamProx are scale-free at eps = 0, and Adam-l2 with a decay is not. Computed, not trained."""

from collections.abc import Mapping

from scalefree.claims.evidence import Evidence
from scalefree.claims.verdict import INCONCLUSIVE, Decision, Question, Verdict
from scalefree.optim import RULES
from scalefree.optimizers import look
from scalefree.theory.scale_freeness import scale_free_defect

# Far above what rounding leaves after a hundred steps in float64, far below any real dependence on the scale.
SCALE_FREE = 1e-10
# A hundredth of the way travelled, or more, is no rounding and no eps.
NOT_SCALE_FREE = 1e-2

QUESTION = Question(
    number="2",
    name="scale_free_rules",
    claim="At eps = 0 AdamW and AdamProx are scale-free; Adam-l2 with a decay is not.",
    statistic="scale-free defect: change of the iterates when every coordinate's gradients are multiplied by a factor "
    "of its own, from 1e-3 to 1e4, over the distance travelled; the larger of AdamW's and AdamProx's",
    unit="",
    sense="below",
    threshold=SCALE_FREE,
)
LR, DECAY = 1e-2, 1e-2

# By optimizer and eps.
Defects = Mapping[tuple[str, float], float]


def defects() -> Defects:
    """Of our rules with a decay, at eps = 0 and at the usual eps."""
    return {
        (name, eps): scale_free_defect(lambda params, rule=rule, eps=eps: rule(params, LR, eps=eps, weight_decay=DECAY))  # type: ignore[misc]
        for name, rule in RULES.items()
        for eps in (0.0, 1e-8)
    }


def judge_with(found: Defects) -> Verdict:
    """From the defects."""
    worst = max(found["adamw", 0.0], found["adamprox", 0.0])
    without = found["adaml2", 0.0]
    verdict: Decision = INCONCLUSIVE
    if worst >= NOT_SCALE_FREE:
        verdict, reason = "contradicted", f"AdamW or AdamProx has a defect of {worst:.1e}"
    elif without <= SCALE_FREE:
        verdict, reason = "contradicted", f"Adam-l2 has a defect of no more than {without:.1e}"
    elif worst <= SCALE_FREE and without >= NOT_SCALE_FREE:
        verdict = "supported"
        reason = f"theirs is rounding, {worst:.0e}, and Adam-l2's is {without:.2g}; nothing here is random"
    else:
        reason = f"defects of {worst:.1e} and {without:.1e} (Adam-l2) are neither rounding nor a hundredth of the way"
    notes = [f"{look(name).text} at eps = {eps:g}: {value:.1e}" for (name, eps), value in found.items()]
    scope = f"100 steps in float64 on 40 coordinates, alpha {LR:g}, lambda {DECAY:g}; no training"
    return Verdict(QUESTION, verdict, reason, worst, None, None, tuple(notes), scope)


def judge(_: Evidence) -> Verdict:
    """Needs no records."""
    return judge_with(defects())
