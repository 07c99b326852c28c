"""The judged claims as a readable page and as JSON; the same verdicts give the same bytes."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from scalefree.claims.verdict import Verdict, from_document, quantity
from scalefree.experiments.intervals import Interval
from scalefree.files import atomic_write

INTRODUCTION = """\
Statistics and thresholds are those of docs/analysis_plan.md, which says when each was fixed. Differences are paired
over seeds, *n* of them; errors are final test errors in points (hundredths), and a diverged run counts as 100. An
effect is *supported* if its whole 95 % interval is on the claim's side of the threshold, *negligible* if it is between
minus and plus the threshold, *contradicted* if it is beyond 0 on the other side, and otherwise *inconclusive*; an
equivalence is supported if the 90 % interval is within its limits. *Holm* is the claim's p after correction for all
planned claims on this page, including those not judged yet; *signed rank* is Wilcoxon's p for no effect. A *planned*
claim was fixed before the runs that judge it, at cells chosen by other seeds; every other one is *exploratory*. A cell
is (step size, decay). A verdict is *provisional* while a cell that it compares is at an edge of its grid."""


def ends(interval: Interval | None, verdict: Verdict) -> str:
    """`[-0.6, +1.2]`, signed like the measured value."""
    if interval is None:
        return "-"
    ends = [quantity(value, "", verdict.question.signed) for value in (interval.low, interval.high)]
    return f"[{', '.join(ends)}]"


def effect(verdict: Verdict) -> str:
    """The measured value with its unit."""
    question = verdict.question
    return "-" if verdict.effect is None else quantity(verdict.effect, question.unit, question.signed)


def criterion(verdict: Verdict) -> str:
    """`above 0.5 points`, `within ±1 points`: what supports the claim."""
    question = verdict.question
    sign = "±" if question.sense in ("within", "beyond") else ""
    return f"{question.sense} {sign}{question.threshold:.3g} {question.unit}".rstrip()


def p_value(value: float | None) -> str:
    """Three decimals, or a dash if there is none."""
    return "-" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def table(verdicts: Sequence[Verdict]) -> str:
    """One line per claim and network, in Markdown."""
    lines = [
        "| | Claim | Where | Verdict | Effect | 95 % interval | n | Supported if | Holm | Signed rank |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        measured = verdict.measured
        cells = (
            verdict.question.number,
            verdict.question.claim,
            verdict.where or "computed",
            f"**{verdict.verdict}**" + ", provisional" * verdict.provisional,
            effect(verdict),
            ends(measured.interval, verdict),
            str(measured.interval.n) if measured.interval is not None else "-",
            criterion(verdict),
            p_value(verdict.adjusted),
            p_value(measured.signed_rank),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def paragraph(verdict: Verdict) -> str:
    """Everything that is known about one claim, in Markdown."""
    question, measured = verdict.question, verdict.measured
    where = f" ({verdict.where})" if verdict.where else ""
    kind = "" if not verdict.where else "planned; " if verdict.planned else "exploratory; "
    decided = f"**{verdict.verdict}**" + ", provisional" * verdict.provisional
    lines = [f"## {question.number}. {question.claim}{where}", "", f"{decided}: {verdict.reason}.", ""]
    lines.append(f"Statistic: {question.statistic}. Measured: {effect(verdict)}; supported if {criterion(verdict)}.")
    if measured.interval is not None:
        about = f"n = {measured.interval.n} {measured.interval.of}, {measured.interval.method}"
        lines.append(f"95 % interval {ends(measured.interval, verdict)}: {about}.")
    if measured.narrow is not None:
        lines.append(f"90 % interval {ends(measured.narrow, verdict)}.")
    if measured.values:
        by_seed = ", ".join(f"{value:+.2f}" for _, value in sorted(measured.values.items()))
        lines.append(f"By seed: {by_seed}.")
    lines += ["", *(f"- {note}" for note in verdict.notes), ""] if verdict.notes else [""]
    lines.append(f"*{kind}{verdict.scope}*")
    return "\n".join(lines)


def markdown(profile: str, verdicts: Sequence[Verdict]) -> str:
    """The whole page."""
    parts = [f"# Claims, profile {profile}", INTRODUCTION, table(verdicts), *map(paragraph, verdicts)]
    return "\n\n".join(parts) + "\n"


def to_json(profile: str, verdicts: Sequence[Verdict]) -> str:
    """The verdicts as a JSON document."""
    document = {"profile": profile, "claims": [dataclasses.asdict(verdict) for verdict in verdicts]}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def from_json(text: str) -> list[Verdict]:
    """The verdicts of `to_json`."""
    return [from_document(claim) for claim in json.loads(text)["claims"]]


def write_page(profile: str, verdicts: Sequence[Verdict], directory: Path) -> list[Path]:
    """`<profile>.md` and `<profile>.json` in a directory; returns their paths."""
    paths = []
    for ending, text in (("md", markdown(profile, verdicts)), ("json", to_json(profile, verdicts))):
        path = directory / f"{profile}.{ending}"
        with atomic_write(path) as file:
            file.write(text.encode())
        paths.append(path)
    return paths
