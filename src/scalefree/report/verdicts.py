"""What was claimed and what was found: the headline and the table of claims, from the same verdicts."""

from collections.abc import Sequence

from scalefree.claims import Interval, Verdict
from scalefree.claims.verdict import Decision, quantity
from scalefree.report.markup import Html, element, join, row, table
from scalefree.report.words import count

# In the order of the headline, each with its CSS class.
DECISIONS: dict[Decision, str] = {
    "supported": "supported",
    "contradicted": "contradicted",
    "inconclusive at this scale": "inconclusive",
}
HEADS = ("Claim", "Verdict", "Statistic", "Measured", "95 % interval", "Reason")
RULE = (
    "A claim is supported when the whole 95 % interval of its statistic lies on the claim's side of a threshold that "
    "is fixed in the code, contradicted when it lies on the other side, and else inconclusive at this scale. Errors "
    "are test errors in points (hundredths); a run that diverged counts as 100."
)


def _badge(decision: Decision) -> Html:
    return element("span", decision, class_=f"badge {DECISIONS[decision]}")


def _measured(effect: float | None, unit: str) -> str:
    return "not measured" if effect is None else quantity(effect, unit)


def _ends(interval: Interval, unit: str) -> str:
    """`-0.6 to +1.2`, signed as the measured value and in its unit, which stands there."""
    low, high = (quantity(value, unit).removesuffix(unit).rstrip() for value in (interval.low, interval.high))
    return f"{low} to {high}"


def _item(verdict: Verdict) -> Html:
    question = verdict.question
    found = _measured(verdict.effect, question.unit)
    if verdict.interval is not None:
        found += f" (95 % interval {_ends(verdict.interval, question.unit)})"
    found = verdict.reason if verdict.effect is None else f"{found}: {verdict.reason}"
    link = element("a", question.number, href=f"#claim-{question.number}", class_="place")
    return element("li", link, element("div", question.claim, element("span", found, class_="found")))


def headline(verdicts: Sequence[Verdict]) -> Html:
    """How many claims came out how, then each with what was found."""
    groups = {decision: [v for v in verdicts if v.verdict == decision] for decision in DECISIONS}
    counts = [
        element("li", element("strong", str(len(of_one))), decision, class_=f"count {DECISIONS[decision]}")
        for decision, of_one in groups.items()
    ]
    parts = [element("ul", *counts, class_="counts", aria_label=f"Of {count(len(verdicts), 'claim')}")]
    for decision, of_one in groups.items():
        if of_one:
            heading = element("h3", f"{decision[0].upper()}{decision[1:]}")
            parts += [heading, element("ul", *map(_item, of_one), class_=f"claims {DECISIONS[decision]}")]
    return join(parts)


def _limits(verdict: Verdict) -> str:
    question = verdict.question
    sign = "\N{PLUS-MINUS SIGN}" if question.sense == "within" else ""
    return f"supported if {question.sense} {sign}{question.threshold:.3g} {question.unit}".rstrip()


def _reason(verdict: Verdict) -> Html:
    """The reason, and behind a click what it rests on."""
    notes = [element("p", verdict.scope)]
    other, unit = verdict.by_validation, verdict.question.unit
    if other is not None:
        text = f"With best cells chosen by held-out validation: {other.verdict}, {_measured(other.effect, unit)}"
        if other.interval is not None:
            text += f", 95 % interval {_ends(other.interval, unit)}"
        notes.append(element("p", f"{text}."))
    if verdict.notes:
        notes.append(element("ul", *(element("li", note) for note in verdict.notes)))
    return element("td", verdict.reason, element("details", element("summary", "Evidence"), *notes), class_="reason")


def _row(verdict: Verdict) -> Html:
    question, interval = verdict.question, verdict.interval
    drawn: str = "none"
    if interval is not None:
        about = element("span", f"n = {interval.n} {interval.of}, {interval.method}", class_="note")
        drawn = join([_ends(interval, question.unit), about])
    return row(
        element("td", element("strong", f"{question.number} "), question.claim, class_="claim"),
        _badge(verdict.verdict),
        element("td", question.statistic, element("span", _limits(verdict), class_="note"), class_="statistic"),
        element("td", _measured(verdict.effect, question.unit), class_="effect"),
        element("td", drawn, class_="interval"),
        _reason(verdict),
        id=f"claim-{question.number}",
    )


def claims_table(verdicts: Sequence[Verdict]) -> Html:
    """One row a claim, after the rule by which all are judged."""
    return join([element("p", RULE, class_="note"), table("Claims", HEADS, map(_row, verdicts))])
