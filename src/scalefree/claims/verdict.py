"""From a question and what was measured to a verdict: one rule for all claims.

A claim is supported when the whole 95 % interval lies on its side of the threshold, contradicted when the whole
interval lies on the other, and otherwise inconclusive at this scale. The thresholds are constants of the claims'
modules, chosen before any run was looked at. Being contradicted says that the effect is not as large as the
threshold, with 95 % confidence; it does not say that the effect is zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from scalefree.claims.intervals import Interval

Decision = Literal["supported", "contradicted", "inconclusive at this scale"]
INCONCLUSIVE: Decision = "inconclusive at this scale"
# Where the claim says the effect is: above the threshold, below it, or between minus and plus the threshold.
Sense = Literal["above", "below", "within"]


@dataclass(frozen=True)
class Question:
    """A claim and how it is judged.

    Attributes:
        number: its place among the claims, after section 6 of the specification: `4b`.
        name: of its module.
        claim: one sentence, in our words.
        statistic: what is measured, `unit` its unit.
    """

    number: str
    name: str
    claim: str
    statistic: str
    unit: str
    sense: Sense
    threshold: float


@dataclass(frozen=True)
class Measured:
    """The statistic's value and interval; `problem` says why there is none or why it cannot be judged."""

    effect: float | None = None
    interval: Interval | None = None
    problem: str = ""


@dataclass(frozen=True)
class Confirmation:
    """What comes out when held-out validation, and not test error, chooses the best cells."""

    verdict: Decision
    effect: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Verdict:
    """A judged claim; plain values that go to JSON and back.

    Attributes:
        reason: why this verdict, in words.
        by_validation: None where no validation split exists or no best cell is chosen.
        notes: sentences for the reader: the cells, the numbers behind the statistic, what is missing.
        scope: data set, profile, epochs, seeds, and how many of the cells have records.
    """

    number: str
    name: str
    claim: str
    verdict: Decision
    reason: str
    statistic: str
    unit: str
    sense: Sense
    threshold: float
    effect: float | None
    interval: Interval | None
    by_validation: Confirmation | None
    notes: tuple[str, ...]
    scope: str

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Verdict":
        """The inverse of `dataclasses.asdict`, also after JSON."""
        values = {**document, "notes": tuple(document["notes"])}
        if values["interval"] is not None:
            values["interval"] = Interval(**values["interval"])
        if values["by_validation"] is not None:
            other = dict(values["by_validation"])
            if other["interval"] is not None:
                other["interval"] = Interval(**other["interval"])
            values["by_validation"] = Confirmation(**other)
        return cls(**values)


def quantity(value: float, unit: str) -> str:
    """`+3.1 points`, `0.02 powers of two`: three digits and the unit."""
    sign = "+" if unit.startswith("points") and value > 0 else ""
    return f"{sign}{value:.3g} {unit}".rstrip()


def interval_text(interval: Interval, unit: str) -> str:
    """`[+0.2, +1.9] points, 5 seeds, Student's t`."""
    low, high = (quantity(value, unit).split()[0] for value in (interval.low, interval.high))
    unit_text = f" {unit}" if unit else ""
    return f"[{low}, {high}]{unit_text}, n = {interval.n} {interval.of}, {interval.method}"


def decide(question: Question, measured: Measured) -> tuple[Decision, str]:
    """The verdict and its reason."""
    if measured.problem or measured.effect is None:
        return INCONCLUSIVE, measured.problem or "nothing was measured"
    interval = measured.interval
    if interval is None:
        return INCONCLUSIVE, "too few runs for an interval: neither two seeds nor enough cells to stand in for them"
    bound = question.threshold
    low, high = (-bound, bound) if question.sense == "within" else (bound, bound)
    above, below = interval.low > high, interval.high < low
    inside = low < interval.low and interval.high < high
    limits = " to ".join(dict.fromkeys(quantity(limit, question.unit) for limit in (low, high)))
    held = {"above": above, "below": below, "within": inside}[question.sense]
    where = "above" if above else "below" if below else "within"
    if held:
        return "supported", f"the whole interval lies {where} {limits}"
    if above or below:
        return "contradicted", f"the whole interval lies {where} {limits}"
    return INCONCLUSIVE, f"the interval reaches to both sides of {limits}, so these runs cannot tell"


def judged(
    question: Question,
    by_test: Measured,
    by_validation: Measured | None,
    scope: str,
    notes: Iterable[str] = (),
) -> Verdict:
    """The verdict by test error, and whether the choice by validation confirms it."""
    verdict, reason = decide(question, by_test)
    confirmation = None
    if by_validation is not None and by_test.effect is not None:
        other, _ = decide(question, by_validation)
        confirmation = Confirmation(other, by_validation.effect, by_validation.interval)
        if other == verdict:
            reason += "; best cells chosen by held-out validation give the same verdict"
        else:
            reason += f"; by test error alone: with best cells chosen by held-out validation it is {other}"
    return Verdict(
        question.number,
        question.name,
        question.claim,
        verdict,
        reason,
        question.statistic,
        question.unit,
        question.sense,
        question.threshold,
        by_test.effect,
        by_test.interval,
        confirmation,
        tuple(notes),
        scope,
    )
