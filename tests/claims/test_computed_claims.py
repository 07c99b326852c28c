"""The claims that need no records: with made-up values that change the verdict, and with their real results."""

import math

import pytest

from scalefree.claims import conditioning, page, prox_expansion, scale_free_rules
from scalefree.claims.verdict import Verdict
from scalefree.theory.quadratics import SCALE_FREE, Count


def defects(
    adamw: float, adaml2: float, adamprox: float = 1e-16, scaled: float = 1e-16, metric: float = 0.4
) -> scale_free_rules.Defects:
    found = {"adamw": adamw, "adaml2": adaml2, "adamprox": adamprox, "adam_scaled_l2": scaled}
    return {(name, 0.0): value for name, value in {**found, "adam_metric_prox": metric}.items()}


@pytest.mark.parametrize(
    ("free", "other", "expected"),
    [
        (1e-16, 0.3, "supported"),
        (0.3, 1e-16, "contradicted"),
        (0.3, 0.3, "contradicted"),
        (1e-16, 1e-16, "contradicted"),
        (1e-6, 0.3, "inconclusive"),
        (1e-16, 1e-4, "inconclusive"),
    ],
)
def test_a_defect_in_any_rule_decides_the_verdict(free: float, other: float, expected: str) -> None:
    for found in (
        defects(free, other),
        defects(1e-16, other, adamprox=free),
        defects(1e-16, other, scaled=free),
        defects(free, 0.3, metric=other),
    ):
        verdict = scale_free_rules.judge_with(found)
        assert (verdict.verdict, verdict.effect) == (expected, free)


def steps(scale_free: float, descent: float, rotated: float = 1000) -> list[Count]:
    """20 steps at condition number 1, and this many times as many at 1e8."""
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
        (2.0, 1e8, "inconclusive"),
        (1.0, 2.0, "inconclusive"),
    ],
)
def test_step_counts_decide_the_verdict(scale_free: float, descent: float, expected: str) -> None:
    verdict = conditioning.judge_with(steps(scale_free, descent))
    assert verdict.verdict == expected
    assert verdict.effect == (scale_free if math.isfinite(scale_free) else None)


def test_the_notes_mention_rotated_hessians() -> None:
    assert any("Only along the axes" in note for note in conditioning.judge_with(steps(1, 1e8)).notes)
    assert not any("Only along the axes" in note for note in conditioning.judge_with(steps(1, 1e8, rotated=1)).notes)


@pytest.mark.parametrize(("order", "expected"), [(2.0, "supported"), (1.95, "supported"), (1.0, "contradicted")])
def test_the_order_decides_the_verdict(order: float, expected: str) -> None:
    verdict = prox_expansion.judge_with(order)
    assert verdict.verdict == expected and verdict.effect == pytest.approx(2 - order)


@pytest.mark.parametrize(
    "verdict",
    [
        prox_expansion.judge_with(math.nan),
        prox_expansion.judge_with(math.inf),
        conditioning.judge_with(steps(math.nan, 1e8)),
        scale_free_rules.judge_with(defects(math.nan, 0.3)),
        scale_free_rules.judge_with(defects(1e-16, 0.3, scaled=math.nan)),
        scale_free_rules.judge_with(defects(1e-16, math.nan)),
        scale_free_rules.judge_with(defects(1e-16, 0.3, metric=math.nan)),
        scale_free_rules.judge_with(defects(math.inf, 0.3)),
    ],
)
def test_non_finite_values_are_not_judged_but_can_be_written(verdict: Verdict) -> None:
    assert (verdict.verdict, verdict.effect) == ("not judged", None) and "finite" in verdict.reason
    assert page.from_json(page.to_json("made", [verdict])) == [verdict]


def test_the_computed_claims_give_these_results() -> None:
    rules = scale_free_rules.judge()
    assert rules.verdict == "supported"
    assert rules.effect is not None and rules.effect < 1e-14
    problems = conditioning.judge()
    assert (problems.verdict, problems.effect) == ("supported", 1.0)
    expansion = prox_expansion.judge()
    assert expansion.verdict == "supported" and expansion.effect is not None and expansion.effect < 0.05
    # Nothing here is a sample, and no network was trained.
    assert all(of.where == "" and of.interval is None for of in (rules, problems, expansion))
