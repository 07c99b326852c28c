"""From a question and what was measured to a verdict: one rule for all claims.

A claim is supported when the whole 95 % interval lies on its side of the threshold, contradicted when the whole
interval lies on the other, and otherwise inconclusive at this scale. The thresholds are constants of the claims'
modules, chosen before any run was looked at. "Contradicted" says that the effect is not as large as the threshold, with
95 % confidence; it does not say that the effect is zero.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scalefree.claims.intervals import Interval
from scalefree.claims.selection import Selection
from scalefree.experiments.results import Criterion

Decision = Literal["supported", "contradicted", "inconclusive at this scale"]
INCONCLUSIVE: Decision = "inconclusive at this scale"
# Where the claim says the effect is: above the threshold, below it, or between minus and plus the threshold.
Sense = Literal["above", "below", "within"]
# Units of differences, whose sign says who is better.
SIGNED = ("points", "points for each doubling of depth")


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
    """A judged claim, in plain values.

    Attributes:
        question: what was asked.
        reason: why this verdict, in words.
        by_validation: None where no validation split exists or no best cell is chosen.
        notes: sentences for the reader: the cells, the numbers behind the statistic, what is missing.
        scope: data set, profile, epochs, seeds, and how many of the cells have records.
    """

    question: Question
    verdict: Decision
    reason: str
    effect: float | None
    interval: Interval | None
    by_validation: Confirmation | None
    notes: tuple[str, ...]
    scope: str


def from_document(document: dict[str, Any]) -> Verdict:
    """The verdict that `dataclasses.asdict` was taken of, also after JSON."""

    def interval(values: dict[str, Any] | None) -> Interval | None:
        return None if values is None else Interval(**values)

    other = document["by_validation"]
    return Verdict(
        **{
            **document,
            "question": Question(**document["question"]),
            "interval": interval(document["interval"]),
            "by_validation": other and Confirmation(**{**other, "interval": interval(other["interval"])}),
            "notes": tuple(document["notes"]),
        }
    )


def quantity(value: float, unit: str) -> str:
    """`+3.1 points`, `0.02 powers of two`: three digits and the unit; differences of errors have their sign."""
    sign = "+" if unit in SIGNED and value > 0 else ""
    return f"{sign}{value:.3g} {unit}".rstrip()


def decide(question: Question, measured: Measured) -> tuple[Decision, str]:
    """The verdict and its reason."""
    if measured.problem or measured.effect is None:
        return INCONCLUSIVE, measured.problem or "nothing was measured"
    interval = measured.interval
    if interval is None:
        return INCONCLUSIVE, "there is no interval, which takes a second seed"
    low, high = (-question.threshold if question.sense == "within" else question.threshold), question.threshold
    above, below = interval.low > high, interval.high < low
    inside = low < interval.low and interval.high < high
    limits = quantity(high, question.unit) if low == high else f"{low:g} to {quantity(high, question.unit)}"
    if {"above": above, "below": below, "within": inside}[question.sense]:
        return "supported", f"the whole interval lies {question.sense} {limits}"
    if above or below:
        return "contradicted", f"the whole interval lies {'above' if above else 'below'} {limits}"
    return INCONCLUSIVE, f"the interval reaches across {limits}: {interval.n} {interval.of} cannot tell"


def finite(measured: Measured) -> Measured:
    """What was measured, or why it cannot be judged: a value that is not a number cannot be written either."""
    interval = measured.interval
    numbers = [measured.effect, *([] if interval is None else [interval.low, interval.high])]
    if all(number is None or math.isfinite(number) for number in numbers):
        return measured
    return Measured(problem="it cannot be judged: the measured value or an end of its interval is not a finite number")


def judged(question: Question, measured: Measured, notes: Sequence[str], scope: str) -> Verdict:
    """The verdict where no best cell is chosen."""
    measured = finite(measured)
    verdict, reason = decide(question, measured)
    return Verdict(question, verdict, reason, measured.effect, measured.interval, None, tuple(notes), scope)


def judged_at_best_cells(
    question: Question,
    measure: Callable[[Criterion], Measured],
    selection: Selection,
    notes: Sequence[str],
    profile: str,
) -> Verdict:
    """The verdict at best cells by test error, as the paper chooses them, and whether validation confirms it."""
    measured = Measured(problem=selection.problem) if selection.problem else finite(measure("test"))
    verdict, reason = decide(question, measured)
    confirmation = None
    if not selection.problem and selection.validated:
        again = finite(measure("validation"))
        confirmation = Confirmation(decide(question, again)[0], again.effect, again.interval)
        if verdict != INCONCLUSIVE and confirmation.verdict == verdict:
            reason += "; with best cells chosen by held-out validation, too"
        elif confirmation.verdict != verdict:
            reason += f"; held-out validation does not confirm it: with its best cells, {confirmation.verdict}"
    elif not selection.problem:
        reason += "; best cells are chosen by test error alone, as no validation split is held out"
    all_notes = (*notes, *selection.notes())
    scope = selection.scope(profile)
    return Verdict(question, verdict, reason, measured.effect, measured.interval, confirmation, all_notes, scope)
