"""The claims that need no records: turned by made values, and as they come out."""

import math

import pytest

from claims.made import as_the_paper_says, evidence
from scalefree.claims import conditioning, scale_free_rules
from scalefree.theory.quadratics import SCALE_FREE, Count

INCONCLUSIVE = "inconclusive at this scale"
NOTHING = evidence("quick", as_the_paper_says, "seeds")


@pytest.mark.parametrize(
    ("adamw", "adaml2", "expected"),
    [
        (1e-16, 0.3, "supported"),
        (0.3, 1e-16, "contradicted"),
        (0.3, 0.3, "contradicted"),
        (1e-16, 1e-16, "contradicted"),
        (1e-6, 0.3, INCONCLUSIVE),
        (1e-16, 1e-4, INCONCLUSIVE),
    ],
)
def test_defects_turn_the_verdict(adamw: float, adaml2: float, expected: str) -> None:
    defects = {("adamw", 0.0): adamw, ("adamprox", 0.0): 1e-16, ("adaml2", 0.0): adaml2}
    assert scale_free_rules.judge_with(defects).verdict == expected
    exchanged = {("adamw", 0.0): 1e-16, ("adamprox", 0.0): adamw, ("adaml2", 0.0): adaml2}
    assert scale_free_rules.judge_with(exchanged).verdict == expected


def steps(scale_free: float, descent: float, rotated: float = 1000) -> list[Count]:
    """20 steps at condition number 1, and so many times as many at 1e8."""
    growth = {**dict.fromkeys(SCALE_FREE, scale_free), "gradient descent": descent}
    return [
        Count(method, condition, rotation, 20 * (factor if condition > 1 else 1))
        for method, of_diagonal in growth.items()
        for rotation, factor in ((None, of_diagonal), (0, rotated))
        for condition in (1e8, 1.0)
    ]


@pytest.mark.parametrize(
    ("scale_free", "descent", "expected"),
    [
        (1.0, 1e8, "supported"),
        (1e3, 1e8, "contradicted"),
        (math.inf, 1e8, "contradicted"),
        (2.0, 1e8, INCONCLUSIVE),
        (1.0, 2.0, INCONCLUSIVE),
    ],
)
def test_counts_turn_the_verdict(scale_free: float, descent: float, expected: str) -> None:
    verdict = conditioning.judge_with(steps(scale_free, descent))
    assert verdict.verdict == expected
    assert verdict.effect == (scale_free if math.isfinite(scale_free) else None)


def test_rotated_hessians_are_in_the_notes() -> None:
    assert any("takes the axes" in note for note in conditioning.judge_with(steps(1, 1e8)).notes)
    assert not any("takes the axes" in note for note in conditioning.judge_with(steps(1, 1e8, rotated=1)).notes)


def test_as_they_come_out() -> None:
    rules = scale_free_rules.judge(NOTHING)
    assert rules.verdict == "supported"
    assert rules.effect is not None and rules.effect < 1e-14
    problems = conditioning.judge(NOTHING)
    assert (problems.verdict, problems.effect) == ("supported", 1.0)
