"""The numbers that README.md and docs/reproducibility.md quote are those of the committed claims and records."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from scalefree.bins import counts_of, edges_of
from scalefree.claims import from_json
from scalefree.claims.verdict import Verdict
from scalefree.experiments.arms import Arm
from scalefree.experiments.evidence import gather
from scalefree.experiments.intervals import Interval, mean_interval
from scalefree.records import Store

ROOT = Path(__file__).parents[2]
README, SUMMARY = (ROOT / name for name in ("README.md", "docs/reproducibility.md"))
# Where the quoted claims are judged: profile and network, as the two pages call them.
PLACES = {
    "CIFAR-10, depth 56": ("cifar16", "resnet56w8-nobn"),
    "CIFAR-10, depth 20": ("cifar16", "resnet20w8-nobn"),
    "digits, depth 20": ("digits", "resnet20w8-nobn"),
    "digits, depth 38": ("digits", "resnet38w8-nobn"),
    "CIFAR-10, depth 56 with BatchNorm": ("cifar16", "resnet56w8-bn"),
    "digits, depth 38 with BatchNorm": ("digits", "resnet38w8-bn"),
    "digits, depth 80": ("digits", "resnet80w8-nobn"),
    "digits, depth 80, Fixup": ("digits", "resnet80w8-nobn-fixup"),
    "digits, depth 80, last convolutions zero": ("digits", "resnet80w8-nobn-zero_last"),
}
# The README's sentences about claims.
SENTENCES = {
    "AdamW is better than Adam-l2": "4b",
    "the more so the deeper (80 against 20)": "4c",
    "scale-freeness lowers the error": "11a",
    "decoupling lowers the error": "11b",
    "the two interact": "11c",
    "scale-freeness without decoupling beats decoupling without scale-freeness": "11d",
    "scaling by layer is worse than by coordinate": "12a",
    "from a start that does not explode, Adam-l2 and AdamW are on par": "8",
}
# 9.9 [6.7, 13.1], with or without signs.
ESTIMATE = re.compile(r"([+-]?[\d.]+) \[([+-]?[\d.]+), ([+-]?[\d.]+)\]")
REPLICA = "the same with AdamW's replica (exploratory)"


Claims = dict[tuple[str, str], Verdict]


@pytest.fixture(scope="module")
def claims() -> Claims:
    """By number and place."""
    found = {}
    for profile in ("cifar16", "digits"):
        for verdict in from_json((ROOT / f"results/claims/{profile}.json").read_text()):
            places = [place for place, where in PLACES.items() if where == (profile, verdict.where)]
            found.update({(verdict.question.number, place): verdict for place in places})
    return found


@pytest.fixture(scope="module")
def planned() -> dict[str, list[Verdict]]:
    """The claims about trainings that were planned, by profile."""
    found = {}
    for profile in ("cifar16", "digits"):
        verdicts = from_json((ROOT / f"results/claims/{profile}.json").read_text())
        found[profile] = [verdict for verdict in verdicts if verdict.planned and verdict.where]
    return found


AGAINST_NO_DECAY = "against Adam without a decay (exploratory)"


def rows(path: Path, columns: int) -> list[list[str]]:
    """Cells of the tables of so many columns."""
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


# Numbers are quoted with a digit after the point; notes have them rounded to two.
ROUNDED, TWICE = 0.0501, 0.0551


def assert_same(quoted: tuple[float, ...], known: tuple[float, ...], what: str, within: float = ROUNDED) -> None:
    assert quoted == pytest.approx(known, abs=within), what


def noted(verdict: Verdict, beginning: str) -> tuple[float, float, float]:
    (note,) = (note for note in verdict.notes if note.startswith(beginning))
    found = re.search(r": ([+-][\d.]+) .*interval \[([+-][\d.]+), ([+-][\d.]+)\]", note)
    assert found is not None, note
    return float(found[2]), float(found[1]), float(found[3])


def thought_of_afterwards() -> list[tuple[float, float, float]]:
    """The estimates on digits that the pages quote and that are no claim's."""
    evidence = gather("digits", Store(ROOT / "results"))

    def by_seed(depth: int, arm: Arm, cell: str = "own") -> dict[int, float]:
        return {
            seed: 100 * error for seed, error in evidence.complete(f"resnet{depth}w8-nobn", arm, cell).errors().items()
        }

    def difference(one: dict[int, float], other: dict[int, float]) -> dict[int, float]:
        return {seed: one[seed] - other[seed] for seed in one}

    advantages = [difference(by_seed(depth, Arm("adaml2")), by_seed(depth, Arm("adamw"))) for depth in (20, 38)]
    without = by_seed(80, Arm("adamw"), "no_decay")
    found = [
        {seed: (advantages[0][seed] + advantages[1][seed]) / 2 for seed in advantages[0]},
        difference(by_seed(80, Arm("adam_scaled_l2")), by_seed(80, Arm("adamw"))),
        difference(by_seed(80, Arm("adamw", decay_unbalance=1.0), "adamw"), without),
    ]
    intervals = [mean_interval(list(values.values()), "seeds", 0.1) for values in found]
    return [
        (interval.low, float(np.mean(list(values.values()))), interval.high)
        for values, interval in zip(found, intervals, strict=True)
        if interval is not None
    ]


def test_the_summarys_results(claims: Claims) -> None:
    found = [row for row in rows(SUMMARY, 5) if ESTIMATE.search(row[3])]
    assert len(found) >= 12
    for claim, place, verdict, estimate, n in found:
        known = claims[claim.partition(":")[0], place]
        assert verdict == known.verdict + ", provisional" * known.provisional, claim
        assert_same(numbers(estimate), measured(known), claim)
        assert known.interval is not None and known.interval.n == int(n)


def test_the_summarys_other_numbers(claims: Claims, planned: dict[str, list[Verdict]]) -> None:
    text = " ".join(SUMMARY.read_text().split())
    told = re.search(r"came out worse by ([^;]*?\]) points", text)
    assert told is not None
    place = "CIFAR-10, depth 56"
    assert_same(numbers(told[1]), noted(claims["1", place], "AdamW's replica minus AdamW"), "the replica", TWICE)
    told = re.search(r"With the replica as AdamW \(exploratory\), (.*?):", text)
    assert told is not None
    quoted = re.findall(r"(\d+[a-z]) (?:is )?(-?[\d.]+ \[[^]]*\])", told[1])
    assert [number for number, _ in quoted] == ["4b", "11a", "11b", "11c"]
    for number, estimate in quoted:
        assert_same(numbers(estimate), noted(claims[number, place], REPLICA), number, TWICE)
    waiting = [sum(of.verdict == "not judged" for of in verdicts) for verdicts in planned.values()]
    assert f"Not judged yet: {waiting[0]} planned claims on CIFAR-10 and {waiting[1]} on digits" in text


def test_the_readmes_claims(claims: Claims) -> None:
    found = [row for row in rows(README, 4) if ESTIMATE.search(row[3])]
    assert len(found) >= 8
    number = sentence = ""
    for first, place, verdict, estimate in found:
        if first:  # said once for several places
            number, _, sentence = first.partition(": ")
        assert SENTENCES[sentence] == number
        known = claims[number, place]
        assert verdict == known.verdict + ", provisional" * known.provisional, sentence
        assert_same(numbers(estimate), measured(known), sentence)


def test_the_readmes_opening(claims: Claims) -> None:
    """Of both effects in both places: 8.9 points (95 % interval 7.4 to 10.5), and 0.9 (-1.1 to 3.0)."""
    text = " ".join(README.read_text().partition("![")[0].split())
    quoted = re.findall(r"(-?[\d.]+)(?: points of test error)? \((?:95 % interval )?(-?[\d.]+) to (-?[\d.]+)\)", text)
    places = [(number, place) for place in ("CIFAR-10, depth 56", "digits, depth 80") for number in ("11a", "11b")]
    known = [*(measured(claims[place]) for place in places), noted(claims["11a", places[-1][1]], AGAINST_NO_DECAY)]
    for (middle, low, high), of in zip(quoted, known, strict=True):
        assert_same((float(low), float(middle), float(high)), of, middle, TWICE)


@pytest.mark.parametrize("page", [README, SUMMARY], ids=lambda path: path.stem)
def test_sentences_quote_claims(page: Path, claims: Claims) -> None:
    """Each estimate with an interval is that of a claim in one of the places, or stands beside one."""
    known = [measured(claim) for claim in claims.values() if isinstance(claim.interval, Interval)]
    places = ("CIFAR-10, depth 56", "digits, depth 80")
    known.append(noted(claims["1", places[0]], "AdamW's replica minus AdamW"))
    known += [noted(claims[number, places[0]], REPLICA) for number in ("4b", "11a", "11b", "11c")]
    known += [noted(claims["11a", places[1]], AGAINST_NO_DECAY), noted(claims["11c", places[1]], REPLICA)]
    known += thought_of_afterwards()
    prose = " ".join(line for line in page.read_text().splitlines() if not line.startswith("|"))
    prose = prose.replace(" points worse [", " [").replace(" points [", " [")
    found = [match.group() for match in ESTIMATE.finditer(prose)]
    assert len(found) >= 5
    for quoted in found:
        assert any(numbers(quoted) == pytest.approx(of, abs=TWICE) for of in known), quoted


def test_the_readmes_four_corners(claims: Claims) -> None:
    """A method's mean error is in the notes of the claims that compare it."""
    table = rows(README, 6)
    methods = [cell.split(":")[0] for cell in table[0][1:5]]
    places = {"CIFAR-10, ResNet-56": "CIFAR-10, depth 56", "digits, ResNet-80": "digits, depth 80"}
    assert table[0][5] == "no decay" and [row[0] for row in table[1:]] == list(places)
    for row in table[1:]:
        place = places[row[0]]
        known = dict(re.findall(r"nobn: ([^,]+?) ([\d.]+) %", "\n".join(claims["11a", place].notes)))
        assert dict(zip(methods, (cell.strip("*").removesuffix(" %") for cell in row[1:5]), strict=True)) == known
        without = re.findall(r"Adam without a decay ([\d.]+) %", "\n".join(claims["17-adamw", place].notes))
        assert row[5] == (f"{without[0]} %" if without else "not yet")


def test_the_quoted_gradients_of_the_first_step() -> None:
    """Median over AdamW's seeds of the lower edge of the bin that has the median coordinate; 0 in the first bin."""
    store = Store(ROOT / "results")
    edges: dict[str, list[float]] = {}
    for record in store.records().values():
        # A confirmation seed of the usual protocol, which has nothing after the seed but the identity.
        network, _, rest = record.name.partition("-adamw-")
        if re.fullmatch(r"lr[\d.e-]+-wd[\d.e-]+-seed\d{1,2}-[0-9a-f]{12}", rest) and "-wd0-" not in rest:
            arrays = store.histograms(record)
            counts, lower = counts_of(arrays, "gradient")["network"][0], edges_of(arrays, "gradient")
            column = int((counts.cumsum() < counts.sum() / 2).sum())
            # Before the interior bins is one for underflow.
            edges.setdefault(network, []).append(-math.inf if column == 0 else float(lower[column - 1]))
    first = {network: float(np.median(found)) for network, found in edges.items()}
    digits = {depth: first[f"digits-resnet{depth}w8-nobn"] for depth in (20, 38, 80)}
    cifar = {depth: first[f"cifar10x16-resnet{depth}w8-nobn"] for depth in (20, 56)}
    assert first["digits-resnet80w8-nobn-fixup"] == -math.inf
    summary, readme = (" ".join(path.read_text().split()) for path in (SUMMARY, README))
    assert (
        f"is 2^{digits[20]:g} at depth 20, 2^{digits[38]:g} at 38 and 2^{digits[80]:g} at 80; "
        f"on CIFAR-10 2^{cifar[20]:g} at depth 20 and 2^{cifar[56]:g} at 56."
    ) in summary
    assert f"grows from 2^{digits[20]:g} at depth 20 to 2^{digits[80]:g} at depth 80. From Fixup it is 0" in readme


def test_the_quoted_training_errors_and_those_without_a_decay(claims: Claims) -> None:
    found = {profile: gather(profile, Store(ROOT / "results")) for profile in ("cifar16", "digits")}

    def mean(profile: str, network: str, method: str, cell: str = "own") -> float:
        point = found[profile].complete(network, Arm(method), cell)
        return 100 * float(np.mean([record.final_metrics["final_train_error"] for record in point.records.values()]))

    cifar = [mean("cifar16", "resnet56w8-nobn", method) for method in ("adamw", "adaml2")]
    digits = [mean("digits", "resnet80w8-nobn", method) for method in ("adamw", "adaml2")]
    without = mean("digits", "resnet80w8-nobn", "adamw", "no_decay")
    summary, readme = (" ".join(path.read_text().split()) for path in (SUMMARY, README))
    assert (
        f"(CIFAR-10 at depth 56: AdamW {cifar[0]:.1f}, Adam-l2 {cifar[1]:.1f} %; digits at depth 80: {digits[0]:.1f}, "
        f"{digits[1]:.1f}, and {without:.1f} % without a decay)"
    ) in summary
    assert (
        f"(AdamW and Adam-l2: {cifar[0]:.1f} and {cifar[1]:.1f} % on CIFAR-10 at depth 56, {digits[0]:.1f} and "
        f"{digits[1]:.1f} % on digits at depth 80)"
    ) in readme
    notes = " ".join(claims["17-adamw", "digits, depth 80"].notes + claims["17-adamw", "digits, depth 80, Fixup"].notes)
    starts = re.findall(r"Adam without a decay ([\d.]+) %", notes)
    assert f"then ends at {starts[0]} % on digits" in summary and f"From Fixup it ends at {starts[1]} %" in summary
    assert f"Without any decay, ResNet-80 from the paper's initialisation ends at {float(starts[0]):.0f} %" in readme


def test_the_quoted_annealed_errors_with_batch_norm() -> None:
    ends: dict[str, dict[int, float]] = {"adamw": {}, "adaml2": {}}
    for record in Store(ROOT / "results").records().values():
        if record.name.startswith("cifar10x16-resnet56w8-bn-") and "-cosine-" in record.name:
            of = ends[record.config["optimizer"]["name"]]
            of[record.config["seed"]] = 100 * record.final_metrics["final_test_error"]
    gaps = [ends["adaml2"][seed] - ends["adamw"][seed] for seed in sorted(ends["adamw"])]
    interval = mean_interval(gaps, "seeds", 0.1)
    assert interval is not None
    summary, readme = (" ".join(path.read_text().split()) for path in (SUMMARY, README))
    both = {f"{np.mean(list(of.values())):.1f}" for of in ends.values()}
    assert both == {"29.6"} and "both end at 29.6 %" in readme and "both methods end at 29.6 %" in summary
    told = f"{np.mean(gaps):.1f}", f"{interval.low:.1f}", f"{interval.high:.1f}"
    assert f"differ by {told[0]} ({told[1]} to {told[2]}; exploratory)" in readme
    assert f"(difference {told[0]}, {told[1]} to {told[2]})" in summary
