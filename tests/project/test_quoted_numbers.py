"""The numbers quoted in README.md and docs/reproducibility.md are those of the committed claims."""

import re
from pathlib import Path

import pytest

from scalefree.claims import from_json
from scalefree.claims.verdict import Verdict
from scalefree.experiments.intervals import Interval

ROOT = Path(__file__).parents[2]
README, SUMMARY = (ROOT / name for name in ("README.md", "docs/reproducibility.md"))
# The README's sentences about claims, by their beginnings; without a depth they are about the middle network.
SENTENCES = {
    "AdamW is better than Adam-l2": "4b",
    "scale-freeness lowers the error": "11a",
    "decoupling lowers the error": "11b",
    "the two interact": "11c",
    "scale-freeness without decoupling beats decoupling without scale-freeness": "11d",
}
# 9.9 [6.7, 13.1], with or without signs.
ESTIMATE = re.compile(r"([+-]?[\d.]+) \[([+-]?[\d.]+), ([+-]?[\d.]+)\]")
REPLICA = "the same with AdamW's replica (exploratory)"


@pytest.fixture(scope="module")
def claims() -> dict[tuple[str, str], Verdict]:
    """The verdicts by claim number and network."""
    verdicts = from_json((ROOT / "results/claims/cifar16.json").read_text())
    return {(verdict.question.number, verdict.where): verdict for verdict in verdicts}


def network(depth: str | int) -> str:
    return f"resnet{depth}w8-nobn"


def rows(path: Path, columns: int) -> list[list[str]]:
    """The cells of all tables with this many columns."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("|") and not line.startswith("|-")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) == columns]


def numbers(text: str) -> tuple[float, float, float]:
    found = ESTIMATE.search(text)
    assert found is not None, text
    low, middle, high = (float(found[group]) for group in (2, 1, 3))
    return low, middle, high


def measured(verdict: Verdict) -> tuple[float, float, float]:
    assert verdict.effect is not None and isinstance(verdict.interval, Interval)
    return verdict.interval.low, verdict.effect, verdict.interval.high


def assert_same(quoted: tuple[float, ...], known: tuple[float, ...], what: str) -> None:
    # One digit after the point, of numbers that were rounded to two.
    assert quoted == pytest.approx(known, abs=0.0551), what


def noted(verdict: Verdict, beginning: str) -> tuple[float, float, float]:
    (note,) = (note for note in verdict.notes if note.startswith(beginning))
    found = re.search(r": ([+-][\d.]+) .*interval \[([+-][\d.]+), ([+-][\d.]+)\]", note)
    assert found is not None, note
    return float(found[2]), float(found[1]), float(found[3])


def test_the_summarys_results_match_the_claims(claims: dict[tuple[str, str], Verdict]) -> None:
    found = [row for row in rows(SUMMARY, 5) if ESTIMATE.search(row[3])]
    assert len(found) >= 7
    for claim, depth, verdict, estimate, n in found:
        known = claims[claim.partition(":")[0], network(depth)]
        assert verdict == known.verdict + ", provisional" * known.provisional, claim
        assert_same(numbers(estimate), measured(known), claim)
        assert known.interval is not None and known.interval.n == int(n)


def test_the_summarys_other_numbers_match_the_claims(claims: dict[tuple[str, str], Verdict]) -> None:
    text = " ".join(SUMMARY.read_text().split())
    told = re.search(r"came out worse by ([^;]*?\]) points", text)
    assert told is not None
    assert_same(numbers(told[1]), noted(claims["1", network(56)], "AdamW's replica minus AdamW"), "the replica")
    told = re.search(r"With the replica as AdamW \(exploratory\), (.*?):", text)
    assert told is not None
    quoted = re.findall(r"(\d+[a-z]) (?:is )?(-?[\d.]+ \[[^]]*\])", told[1])
    assert [number for number, _ in quoted] == ["4b", "11a", "11b", "11c"]
    for number, estimate in quoted:
        assert_same(numbers(estimate), noted(claims[number, network(56)], REPLICA), number)
    waiting = [of for of in claims.values() if of.planned and of.where and of.verdict == "not judged"]
    assert f"Not judged yet: {len(waiting)} planned claims" in text


def test_the_readmes_claims_match_the_verdicts(claims: dict[tuple[str, str], Verdict]) -> None:
    found = [row for row in rows(README, 3) if ESTIMATE.search(row[2])]
    assert len(found) >= 4
    for sentence, verdict, estimate in found:
        number = SENTENCES.get(sentence.partition(" at depth ")[0], "")
        assert number, f"no claim is known for this sentence: {sentence}"
        depth = re.search(r"at depth (\d+)", sentence)
        known = claims[number, network(depth[1] if depth else 56)]
        assert verdict.partition(",")[0] == known.verdict, sentence
        assert_same(numbers(estimate), measured(known), sentence)


def test_the_readmes_four_corners_match_the_claims_notes(claims: dict[tuple[str, str], Verdict]) -> None:
    """The notes of a claim have the mean errors of the methods that it compares."""
    known = dict(re.findall(r"nobn: ([^,]+?) ([\d.]+) %", "\n".join(claims["11a", network(56)].notes)))
    table = " ".join(" ".join(row) for row in rows(README, 3) if row[0].startswith("decay "))
    quoted = dict(re.findall(r"((?:scaled )?Adam\S*|metric prox) \**([\d.]+) %", table))
    assert len(quoted) == 4 and quoted == known
