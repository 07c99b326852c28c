"""The headline and the table of claims, both from the same verdicts."""

from collections.abc import Sequence

from scalefree.claims.page import INTRODUCTION, criterion, effect, ends, p_value
from scalefree.claims.verdict import Decision, Verdict
from scalefree.experiments.names import count
from scalefree.report.markup import Html, element, join, row, table

# In the order of the headline, each with its CSS class.
DECISIONS: dict[Decision, str] = {
    "supported": "supported",
    "contradicted": "contradicted",
    "negligible": "negligible",
    "inconclusive": "inconclusive",
    "not judged": "unjudged",
}
HEADS = ("Claim", "Verdict", "Statistic", "Measured", "95 % interval", "Holm", "Reason")
# That of the committed page, whose emphasis is Markdown.
RULE = " ".join(INTRODUCTION.replace("*", "").split())


def _badge(verdict: Verdict) -> Html:
    badge = element("span", verdict.verdict, class_=f"badge {DECISIONS[verdict.verdict]}")
    return join([badge, element("span", "provisional", class_="note")]) if verdict.provisional else badge


def _measured(verdict: Verdict) -> str:
    return "not measured" if verdict.effect is None else effect(verdict)


def _item(verdict: Verdict) -> Html:
    found = _measured(verdict)
    if verdict.interval is not None:
        found += f" (95 % interval {ends(verdict.interval, verdict)})"
    found = verdict.reason if verdict.effect is None else f"{found}: {verdict.reason}"
    kind = ("" if verdict.planned else ", exploratory") + ", provisional" * verdict.provisional
    claim = f"{verdict.question.claim} ({verdict.where}{kind})" if verdict.where else verdict.question.claim
    link = element("a", verdict.question.number, href=f"#claim-{verdict.place}", class_="place")
    return element("li", link, element("div", claim, element("span", found, class_="found")))


def headline(verdicts: Sequence[Verdict]) -> Html:
    """The number of claims with each verdict, then each claim with its result."""
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


def _reason(verdict: Verdict) -> Html:
    """The reason, with the evidence behind a click."""
    notes = [element("p", verdict.scope)]
    if verdict.measured.narrow is not None:
        notes.append(element("p", f"90 % interval {ends(verdict.measured.narrow, verdict)}"))
    if verdict.measured.signed_rank is not None:
        notes.append(element("p", f"signed rank: p = {p_value(verdict.measured.signed_rank)}"))
    if verdict.notes:
        notes.append(element("ul", *(element("li", note) for note in verdict.notes)))
    return element("td", verdict.reason, element("details", element("summary", "Evidence"), *notes), class_="reason")


def _row(verdict: Verdict) -> Html:
    question, interval = verdict.question, verdict.interval
    drawn: str = "none"
    if interval is not None:
        about = element("span", f"n = {interval.n} {interval.of}, {interval.method}", class_="note")
        drawn = join([ends(interval, verdict), about])
    kind = "planned" if verdict.planned else "exploratory"
    where = element("span", f"{verdict.where}, {kind}" if verdict.where else "computed", class_="note")
    return row(
        element("td", element("strong", f"{question.number} "), question.claim, where, class_="claim"),
        _badge(verdict),
        element(
            "td",
            question.statistic,
            element("span", f"supported if {criterion(verdict)}", class_="note"),
            class_="statistic",
        ),
        element("td", _measured(verdict), class_="effect"),
        element("td", drawn, class_="interval"),
        element("td", p_value(verdict.adjusted), class_="number"),
        _reason(verdict),
        id=f"claim-{verdict.place}",
    )


def claims_table(verdicts: Sequence[Verdict]) -> Html:
    """One row per claim and network, after the rule by which they are judged."""
    return join([element("p", RULE, class_="note"), table("Claims", HEADS, map(_row, verdicts))])
