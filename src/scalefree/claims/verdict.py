"""From a question and what was measured to a verdict: one rule for all claims (docs/analysis_plan.md).

That an effect is *above* a threshold d is supported when its whole 95 % interval lies above d, negligible when it
lies between -d and d, contradicted when it lies below 0, and else inconclusive. *Beyond* d asks the same in both
directions at once. That it is *below* d (no harm) is supported when the interval lies below d, contradicted when it
lies above. An equivalence, *within* d, is supported when the 90 % interval lies within the limits (two one-sided tests
at 5 %), contradicted when the 95 % interval lies outside them, and else inconclusive.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from scalefree.experiments.intervals import Interval, chance_above, holm, mean_interval, signed_rank
from scalefree.experiments.pairs import SeedValues

Decision = Literal["supported", "contradicted", "negligible", "inconclusive", "not judged"]
# Where the claim says the effect is: above the threshold, below it, beyond it on either side, or within it on both.
Sense = Literal["above", "below", "beyond", "within"]
NOT_FINITE = "the measured value or an end of its interval is not a finite number"


@dataclass(frozen=True)
class Question:
    """A claim and how it is judged.

    Attributes:
        number: its place in docs/analysis_plan.md: `4b`.
        name: a word for file names and links.
        claim: one sentence, in our words.
        statistic: what is measured, `unit` its unit.
        signed: whether a plus is written before positive values, as for differences.
    """

    number: str
    name: str
    claim: str
    statistic: str
    unit: str
    sense: Sense
    threshold: float
    signed: bool = True


@dataclass(frozen=True)
class Measured:
    """The statistic, its interval, and p of the claim; `problem` says why there is none or why it cannot be judged.

    Attributes:
        narrow: the 90 % interval of an equivalence, None for other claims.
        chance: p of the test whose rejection supports the claim, two-sided but for an equivalence, so that it is below
            0.05 exactly where a t interval supports the claim; 1 where it cannot be tested.
        signed_rank: p of Wilcoxon's test that there is no effect in either direction.
        values: the statistic of each seed, where it has one.
        doubt: why the claim is not supported even where the interval would support it.
    """

    effect: float | None = None
    interval: Interval | None = None
    narrow: Interval | None = None
    chance: float = 1.0
    signed_rank: float | None = None
    values: dict[int, float] = field(default_factory=dict)
    problem: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Verdict:
    """A judged claim, in plain values.

    Attributes:
        where: the network that it was judged in; empty for computed claims.
        planned: whether statistic and threshold were fixed before the records were trained.
        adjusted: the claim's p value after Holm's correction over all planned claims of the profile.
        provisional: whether a compared cell lies at an edge of its grid, so that its selection is not over.
        notes: sentences for the reader: the cells, the numbers behind the statistic, what is missing.
        scope: data set, profile, epochs, seeds.
    """

    question: Question
    where: str
    planned: bool
    verdict: Decision
    reason: str
    measured: Measured
    notes: tuple[str, ...]
    scope: str
    adjusted: float | None = None
    provisional: bool = False

    @property
    def effect(self) -> float | None:
        return self.measured.effect

    @property
    def interval(self) -> Interval | None:
        return self.measured.interval

    @property
    def place(self) -> str:
        """`4b-resnet80w8-nobn`: tells a claim's verdicts in several networks apart."""
        return "-".join(filter(None, (self.question.number, self.where)))


def from_document(document: dict[str, Any]) -> Verdict:
    """The verdict that `dataclasses.asdict` was taken of, also after JSON."""

    def interval(values: dict[str, Any] | None) -> Interval | None:
        return None if values is None else Interval(**values)

    measured = document["measured"]
    return Verdict(
        **{
            **document,
            "question": Question(**document["question"]),
            "measured": Measured(
                **{
                    **measured,
                    "interval": interval(measured["interval"]),
                    "narrow": interval(measured["narrow"]),
                    "values": {int(seed): value for seed, value in measured["values"].items()},
                }
            ),
            "notes": tuple(document["notes"]),
        }
    )


def quantity(value: float, unit: str, signed: bool = False) -> str:
    """`+3.1 points`, `0.02 powers of two`: three digits and the unit."""
    return f"{'+' if signed and value > 0 else ''}{value:.3g} {unit}".rstrip()


def measured_over_seeds(question: Question, values: SeedValues, least_spread: float) -> Measured:
    """The mean over seeds with all that is known of it; a problem with fewer than two."""
    if not values:
        return Measured(problem="no seed has all the runs that are compared")
    numbers, d = list(values.values()), question.threshold
    if not all(map(math.isfinite, numbers)):
        return Measured(problem=NOT_FINITE)
    if len(numbers) < 2:
        return Measured(values.mean, values=dict(values), problem="one seed, so no interval: it takes a second one")
    # One-sided p values that the mean is above each limit.
    above, above_minus = (chance_above(numbers, limit, least_spread) for limit in (d, -d))
    chance = {
        "above": 2 * above,
        "below": 2 * (1 - above),
        "beyond": 2 * min(above, 1 - above_minus),
        "within": max(above_minus, 1 - above),
    }[question.sense]
    return Measured(
        effect=values.mean,
        interval=mean_interval(numbers, "seeds", least_spread),
        narrow=mean_interval(numbers, "seeds", least_spread, 0.9) if question.sense == "within" else None,
        chance=min(1.0, chance),
        signed_rank=signed_rank(numbers),
        values=dict(values),
    )


def finite(measured: Measured) -> Measured:
    """What was measured, or why it cannot be judged: a value that is not a number cannot be written either."""
    ends = [
        end for interval in (measured.interval, measured.narrow) if interval for end in (interval.low, interval.high)
    ]
    numbers = [measured.effect, measured.signed_rank, measured.chance, *ends, *measured.values.values()]
    if all(number is None or math.isfinite(number) for number in numbers):
        return measured
    return Measured(problem=NOT_FINITE)


def decide(question: Question, measured: Measured) -> tuple[Decision, str]:
    """The verdict and its reason."""
    if measured.problem:
        return "not judged", measured.problem
    if measured.effect is None or measured.interval is None:
        return "inconclusive", "there is no interval"
    decision, reason = _by_interval(question, measured.interval, measured.narrow)
    return ("inconclusive", measured.doubt) if decision == "supported" and measured.doubt else (decision, reason)


def _by_interval(question: Question, interval: Interval, narrow: Interval | None) -> tuple[Decision, str]:
    d = question.threshold
    limit, both = quantity(d, question.unit), f"\N{PLUS-MINUS SIGN}{quantity(d, question.unit)}"
    too_few = f"{interval.n} {interval.of} are too few to tell"
    if question.sense == "within":
        narrow = narrow or interval
        if -d < narrow.low and narrow.high < d:
            return "supported", f"the whole {100 * narrow.level:.0f} % interval lies within {both}"
        if interval.low > d or interval.high < -d:
            return "contradicted", f"the whole interval lies outside {both}"
        return "inconclusive", f"the interval reaches beyond {both}: {too_few}"
    if question.sense == "below":
        if interval.high < d:
            return "supported", f"the whole interval lies below {limit}"
        if interval.low > d:
            return "contradicted", f"the whole interval lies above {limit}"
    elif interval.low > d:
        return "supported", f"the whole interval lies above {limit}"
    elif question.sense == "beyond" and interval.high < -d:
        return "supported", f"the whole interval lies below -{limit}"
    elif -d < interval.low and interval.high < d:
        return "negligible", f"the whole interval lies within {both}"
    elif question.sense == "above" and interval.high < 0:
        return "contradicted", "the whole interval lies below 0"
    if interval.high < d:
        return "inconclusive", f"the interval lies below {limit}, but reaches across -{limit}: {too_few}"
    return "inconclusive", f"the interval reaches across {limit}: {too_few}"


def computed(
    question: Question, decided: tuple[Decision, str], effect: float | None, scope: str, notes: Sequence[str] = ()
) -> Verdict:
    """The verdict of a claim that needs no records; not judged where what was computed is not a finite number."""
    measured = finite(Measured(effect))
    if measured.problem:
        decided = "not judged", measured.problem
    return Verdict(question, "", True, *decided, measured, tuple(notes), scope)


def adjusted(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The same verdicts, the planned and judged ones with their p values after Holm's correction.

    It is over all planned claims of trainings: one that is not judged yet counts with p = 1, so that no claim looks
    surer for being trained before the others.
    """
    planned = [v for v in verdicts if v.planned and v.where]
    chances = [1.0 if v.verdict == "not judged" else v.measured.chance for v in planned]
    corrected = dict(zip(map(id, planned), holm(chances), strict=True))
    return [
        dataclasses.replace(v, adjusted=corrected[id(v)]) if id(v) in corrected and v.verdict != "not judged" else v
        for v in verdicts
    ]
