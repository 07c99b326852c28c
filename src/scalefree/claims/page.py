"""The judged claims as a page to read and as JSON, the same bytes for the same verdicts."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from scalefree.claims.intervals import Interval
from scalefree.claims.verdict import Confirmation, Verdict, from_document, quantity
from scalefree.files import atomic_write

INTRODUCTION = """\
A claim is *supported* when the whole 95 % interval of its statistic lies on the claim's side of a threshold that is
fixed in the code, *contradicted* when it lies on the other side, and else *inconclusive at this scale*. Differences are
paired over seeds; errors are final test errors in points (hundredths), and a diverged run counts as 100. A cell is a
step size and a decay, (alpha, lambda), and is present when all its seeds have records. Best cells are chosen by test
error, as the paper does, and a second time by held-out validation where there is one. Intervals are BCa bootstraps of
ten values or more, and Student's of fewer: with two seeds they are wide, because two seeds say little."""


def _interval(interval: Interval | None, unit: str) -> str:
    if interval is None:
        return "-"
    ends = [quantity(value, unit).removesuffix(unit).rstrip() for value in (interval.low, interval.high)]
    return f"[{', '.join(ends)}]"


def _threshold(verdict: Verdict) -> str:
    question = verdict.question
    sign = "±" if question.sense == "within" else ""
    return f"{question.sense} {sign}{question.threshold:.3g} {question.unit}".rstrip()


def table(verdicts: Sequence[Verdict]) -> str:
    """One line a claim, in Markdown."""
    lines = [
        "| | Claim | Verdict | Effect | 95 % interval | Supported if |",
        "|---|---|---|---|---|---|",
    ]
    for verdict in verdicts:
        question = verdict.question
        effect = "-" if verdict.effect is None else quantity(verdict.effect, question.unit)
        interval = _interval(verdict.interval, question.unit)
        cells = (question.number, question.claim, f"**{verdict.verdict}**", effect, interval, _threshold(verdict))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _confirmation(verdict: Verdict, other: Confirmation) -> str:
    effect = "nothing" if other.effect is None else quantity(other.effect, verdict.question.unit)
    return (
        f"With cells chosen by validation: {effect}, 95 % interval {_interval(other.interval, verdict.question.unit)}."
    )


def paragraph(verdict: Verdict) -> str:
    """Everything that is known of one claim, in Markdown."""
    question = verdict.question
    lines = [f"## {question.number}. {question.claim}", "", f"**{verdict.verdict}**: {verdict.reason}.", ""]
    measured = "nothing" if verdict.effect is None else quantity(verdict.effect, question.unit)
    lines.append(f"Statistic: {question.statistic}. Measured: {measured}; supported if surely {_threshold(verdict)}.")
    if verdict.interval is not None:
        interval = verdict.interval
        lines.append(
            f"95 % interval {_interval(interval, question.unit)}: n = {interval.n} {interval.of}, {interval.method}."
        )
    if verdict.by_validation is not None:
        lines.append(_confirmation(verdict, verdict.by_validation))
    lines += ["", *(f"- {note}" for note in verdict.notes), ""] if verdict.notes else [""]
    lines.append(f"*{verdict.scope}*")
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
