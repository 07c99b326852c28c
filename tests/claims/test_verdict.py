"""The rule from an interval to a verdict."""

import dataclasses

import pytest
from scalefree.claims.intervals import Interval
from scalefree.claims.selection import Selection

from claims.made import as_the_paper_says, evidence
from scalefree.claims.verdict import Measured, Question, decide, judged_at_best_cells
from scalefree.experiments import Setting
from scalefree.experiments.results import Criterion

QUESTION = Question("0", "made", "A made claim.", "a number", "points", "above", 0.5)


def measured(low: float, high: float) -> Measured:
    return Measured((low + high) / 2, Interval(low, high, 5, "seeds", "Student's t"))


@pytest.mark.parametrize(
    ("sense", "low", "high", "expected"),
    [
        ("above", 0.6, 2, "supported"),
        ("above", 0.4, 2, "inconclusive at this scale"),
        ("above", -1, 0.4, "contradicted"),
        ("below", -1, 0.4, "supported"),
        ("below", 0.4, 2, "inconclusive at this scale"),
        ("below", 0.6, 2, "contradicted"),
        ("within", -0.4, 0.4, "supported"),
        ("within", -0.6, 0.4, "inconclusive at this scale"),
        ("within", -2, 2, "inconclusive at this scale"),
        ("within", 0.6, 2, "contradicted"),
        ("within", -2, -0.6, "contradicted"),
    ],
)
def test_whole_interval_decides(sense: str, low: float, high: float, expected: str) -> None:
    verdict, reason = decide(dataclasses.replace(QUESTION, sense=sense), measured(low, high))
    assert verdict == expected
    assert "0.5 points" in reason


def test_without_an_interval_nothing_is_decided() -> None:
    verdict, reason = decide(QUESTION, Measured(7.0))
    assert verdict == "inconclusive at this scale"
    assert "second seed" in reason
    assert decide(QUESTION, Measured(7.0, measured(6, 8).interval, "no records")) == (
        "inconclusive at this scale",
        "no records",
    )


def settings(profile: str) -> list[Setting]:
    return evidence(profile, as_the_paper_says, "seeds").settings("seeds")


@pytest.mark.parametrize(
    ("low", "verdict", "said"),
    [
        (0.7, "supported", "with best cells chosen by held-out validation, too"),
        (0.3, "inconclusive at this scale", "validation does not confirm it"),
        (-3.0, "contradicted", "validation does not confirm it"),
    ],
)
def test_validation_confirms_or_not(low: float, verdict: str, said: str) -> None:
    by_criterion = {"test": measured(0.6, 1), "validation": measured(low, low + 1)}

    def measure(criterion: Criterion) -> Measured:
        return by_criterion[criterion]

    selection = Selection(("adaml2", "adamw"), settings("quick"), [], "")
    judged = judged_at_best_cells(QUESTION, measure, selection, ["a note"], "quick")
    assert judged.verdict == "supported"
    assert judged.by_validation is not None and judged.by_validation.verdict == verdict
    assert said in judged.reason
    assert judged.notes == ("a note",)


def test_no_validation_split_is_said() -> None:
    selection = Selection(("adaml2", "adamw"), settings("h200"), [], "")
    judged = judged_at_best_cells(QUESTION, lambda _: measured(0.6, 1), selection, [], "h200")
    assert judged.by_validation is None
    assert "no validation split" in judged.reason
