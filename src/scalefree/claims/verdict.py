"""How a question and a measurement give a verdict: one rule for all claims (docs/analysis_plan.md).

The claim that an effect is *above* a threshold d is supported if its whole 95 % interval is above d, negligible if it
is between -d and d, contradicted if it is below 0, and otherwise inconclusive. *Beyond* d is the same in both
directions at once. The claim that it is *below* d (no harm) is supported if the interval is below d and contradicted if
it is above. An equivalence, *within* d, is supported if the 90 % interval is within the limits (two one-sided tests at
5 %), contradicted if the 95 % interval is outside them, and otherwise inconclusive.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from scalefree.experiments.intervals import Interval, chance_above, holm, mean_interval, signed_rank
from scalefree.experiments.pairs import SeedValues

Decision = Literal["supported", "contradicted", "negligible", "inconclusive", "not judged"]
# Where the claim puts the effect: above the threshold, below it, beyond it on either side, or within it on both.
Sense = Literal["above", "below", "beyond", "within"]
NOT_FINITE = "the measured value or an end of its interval is not a finite number"


@dataclass(frozen=True)
class Question:
    """A claim and how it is judged.

    Attributes:
        number: its number in docs/analysis_plan.md: `4b`.
        name: a word for file names and links.
        claim: one sentence, in our own words.
        statistic: what is measured, `unit` its unit.
        signed: whether positive values are written with a plus, as for differences.
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
    """The statistic, its interval and the claim's p; `problem` says why there is none or why it cannot be judged.

    Attributes:
        narrow: the 90 % interval of an equivalence, None for other claims.
        chance: p of the test whose rejection supports the claim, two-sided except for an equivalence, so that it is
            below 0.05 exactly when a t interval supports the claim; 1 if it cannot be tested.
        signed_rank: p of Wilcoxon's test that there is no effect in either direction.
        values: the statistic of each seed, if it has one.
        doubt: why the claim is not supported even if the interval would support it.
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
        where: the network in which it was judged; empty for computed claims.
        planned: whether statistic and threshold were fixed before the records were trained.
        adjusted: the claim's p value after Holm's correction over all planned claims of the profile.
        provisional: whether a compared cell is at an edge of its grid, so that its selection is not finished.
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
        """`4b-resnet80w8-nobn`: distinguishes a claim's verdicts in several networks."""
        return "-".join(filter(None, (self.question.number, self.where)))


def from_document(document: dict[str, Any]) -> Verdict:
    """The inverse of `dataclasses.asdict`, also after a round trip through JSON."""

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
    """The mean over seeds with its interval and tests; a `problem` with fewer than two seeds."""
    if not values:
        return Measured(problem="no seed has all the runs to compare")
    numbers, d = list(values.values()), question.threshold
    if not all(map(math.isfinite, numbers)):
        return Measured(problem=NOT_FINITE)
    if len(numbers) < 2:
        return Measured(values.mean, values=dict(values), problem="one seed, so no interval; train at least two")
    # One-sided p values for the mean being above each limit.
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
    """The measurement, or a `problem` if any of its values is not finite, since JSON could not hold it either."""
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
        return "inconclusive", f"the interval extends beyond {both}: {too_few}"
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
        return "inconclusive", f"the interval lies below {limit} but includes -{limit}: {too_few}"
    return "inconclusive", f"the interval includes {limit}: {too_few}"


def computed(
    question: Question, decided: tuple[Decision, str], effect: float | None, scope: str, notes: Sequence[str] = ()
) -> Verdict:
    """The verdict of a claim that needs no records; not judged if the computed value is not a finite number."""
    measured = finite(Measured(effect))
    if measured.problem:
        decided = "not judged", measured.problem
    return Verdict(question, "", True, *decided, measured, tuple(notes), scope)


def adjusted(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The same verdicts; those that are planned and judged get their p values after Holm's correction.

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
