"""Which claims a profile asks of which networks, and which are not judged where lambda = 0 was chosen."""

import dataclasses
from pathlib import Path

import pytest

from claims.made import Made, alike, evidence, is_exploratory, judged
from experiments.made import Loaded, cell, load, made_cells
from scalefree.claims import planned
from scalefree.config import RunConfig
from scalefree.experiments.evidence import gather
from scalefree.experiments.frozen import read_frozen
from scalefree.records import Store

# By claim: the depths at which each profile asks it (4a with BatchNorm), or the networks if their start is another one.
ASKED = {
    "digits": {
        "1": [20], "4a": [38], "4b": [20, 38, 80], "4c": [80], "5a": [80], "5b": [80], "6a": [20], "6b-adamw": [20],
        "6b-adaml2": [20], "6c-adamw": [20], "6c-scaled": [20], "6d": [80], "7": [80],
        "8": ["80w8-nobn-fixup", "80w8-nobn-zero_last"], "9": [80],
        "11a": [38, 80], "11b": [38, 80], "11c": [38, 80], "11d": [38, 80], "12a": [80], "12b": [80], "12c": [80],
        "13-1": [80], "13-2": [80], "14": [80], "15": [20, 38, 80], "16": ["80w8-nobn-fixup"],
        "17-adamw": [80, "80w8-nobn-fixup"], "17-adam_scaled_l2": [80], "17-adam_metric_prox": [80],
        "17-adaml2": [80, "80w8-nobn-fixup"],
    },
    "cifar16": {
        "1": [56], "4a": [56], "4b": [20, 56, 110], "4c": [110], "5a": [56, 110], "5b": [110], "6a": [56],
        "6b-adamw": [56], "6b-adaml2": [56], "7": [56], "8": ["56w8-nobn-fixup"], "9": [110],
        "11a": [56, 110], "11b": [56, 110],
        "11c": [56, 110], "11d": [56, 110], "12a": [56], "12c": [56], "13-2": [56], "14": [110],
        "15": [20, 56, 110], "16": ["56w8-nobn-fixup"],
        "17-adamw": [56], "17-adam_scaled_l2": [56], "17-adam_metric_prox": [56], "17-adaml2": [56],
    },
}  # fmt: skip


def label(number: str, network: int | str) -> str:
    usual = f"{network}w8-{'bn' if number == '4a' else 'nobn'}"
    return f"{number}-resnet{network if isinstance(network, str) else usual}"


@pytest.mark.parametrize("profile", ASKED)
def test_each_profile_asks_its_claims_of_these_networks(
    profile: str, profiles: dict[str, Loaded], tmp_path: Path
) -> None:
    """Before anything has been chosen or trained, and afterwards."""
    places = [label(number, network) for number, networks in ASKED[profile].items() for network in networks]
    for loaded, model in (
        (profiles[profile], alike),
        (profiles[profile], lambda config: None),
        (load(profile, None, tmp_path), alike),
    ):
        assert list(judged(loaded, model)) == places


def test_every_claim_is_a_row_of_the_plan() -> None:
    """The plan's table names each number, its networks and its threshold; numbers are unique."""
    plan = (Path(__file__).parents[2] / "docs" / "analysis_plan.md").read_text()
    rows = {
        cells[1].strip(): cells
        for cells in (line.split("|") for line in plan.splitlines() if line.startswith("| "))
        if len(cells) == 6
    }
    numbers = [claim.question.number for claim in planned.CLAIMS]
    assert len(set(numbers)) == len(numbers)
    assert {number.partition("-")[0] for number in numbers} == rows.keys() - {"no."}
    for claim in planned.CLAIMS:
        question = claim.question
        verdict = rows[question.number.partition("-")[0]][4]
        said = f"{question.sense} {question.threshold:g}"
        assert said in verdict, (question.number, said, verdict)


# By claim: the methods that need a decay, without which it would hold or fail trivially.
NEEDS_DECAY = {
    "1": ("adamw",),
    "6a": ("adaml2",),
    "6b-adaml2": ("adaml2",),
    "6d": ("adaml2",),
    "8": ("adaml2", "adamw"),
    "13-1": ("adamw",),
    "13-2": ("adamw",),
    "17-adamw": ("adamw",),
    "17-adaml2": ("adaml2",),
}


@pytest.mark.parametrize("without", [("adaml2",), ("adamw",), ("adaml2", "adamw")])
def test_claims_about_a_decay_need_one(without: tuple[str, ...], tmp_path: Path) -> None:
    cells = made_cells("digits", **dict.fromkeys(without, (1e-3, 0.0)))
    loaded = load("digits", cells, tmp_path)
    for verdict in judged(loaded, lambda config: Made(30.0 + 0.1 * (config.seed % 3))).values():
        number = verdict.question.number
        vacuous = number in NEEDS_DECAY and set(NEEDS_DECAY[number]) <= set(without)
        assert verdict.reason.startswith("not testable: lambda = 0 was chosen") == vacuous, (number, verdict.reason)
        if vacuous:
            assert verdict.verdict == "not judged" and verdict.measured.chance == 1
            assert verdict.effect is not None, "still shown"
        elif number not in ("5b", "14", "15"):
            assert verdict.verdict != "not judged", number


def test_with_a_decay_everywhere_every_claim_is_judged(digits: Loaded) -> None:
    for verdict in judged(digits, lambda config: Made(30.0 + 0.1 * (config.seed % 3))).values():
        assert verdict.question.number in ("5b", "15") or verdict.verdict != "not judged"


def test_the_equal_decay_claim_with_batch_norm_uses_a_decay_above_0(tmp_path: Path) -> None:
    """4a is judged at AdamW's best cell with a decay even where it chose lambda = 0."""
    loaded = load("digits", made_cells("digits", adamw=(2e-3, 0.0)), tmp_path)
    verdict = judged(loaded, alike, "4a")["4a-resnet38w8-bn"]
    assert verdict.verdict == "supported" and all("(2e-3, 1e-4)" in note for note in verdict.notes)


def test_what_a_decay_is_worth_is_measured_from_the_best_step_size_without_one(tmp_path: Path) -> None:
    """Which may be another than the rule's own, and which another experiment need not train."""
    cells = made_cells("digits")
    at = {
        **cells.cells["resnet80w8-nobn"],
        "no_decay": dataclasses.replace(cell(8e-3, 0.0, "resnet80w8-nobn", "adamw"), edges=("larger lr",)),
    }
    loaded = load("digits", dataclasses.replace(cells, cells={**cells.cells, "resnet80w8-nobn": at}), tmp_path)

    def model(config: RunConfig) -> Made:
        return Made(40 + 0.1 * (config.seed % 3) + 9 * (config.optimizer.weight_decay == 0))

    verdict = judged(loaded, model, "17-adaml2")["17-adaml2-resnet80w8-nobn"]
    assert verdict.effect == pytest.approx(9) and verdict.verdict == "supported"
    notes = "; ".join(verdict.notes)
    assert "Adam without a decay 49.1 % at (8e-3, 0)" in notes and "Adam-l2 40.1 % at (1e-3, 3e-4)" in notes
    assert "the cell of Adam without a decay is at an edge of its grid" in notes and verdict.provisional


@pytest.mark.parametrize(("profile", "asked"), [("h200", False), ("quick", False), ("smoke", True)])
def test_no_profile_asks_for_a_cell_without_a_decay_that_nothing_can_choose(
    profile: str, asked: bool, tmp_path: Path
) -> None:
    """Published cells have none, although runs at lambda = 0 are planned; smoke chooses among its own runs."""
    found = gather(profile, Store(tmp_path / "nothing"))
    verdicts = planned.judge(
        found, [claim.question.number for claim in planned.CLAIMS if claim.where == "without_batch_norm"]
    )
    assert not verdicts, "before anything has been trained"
    loaded = load(profile, read_frozen(profile), tmp_path)
    numbers = {verdict.question.number for verdict in judged(loaded, alike).values()}
    assert ("17-adamw" in numbers) == asked


def test_scale_freeness_is_also_compared_with_no_decay_at_all(digits: Loaded, cifar16: Loaded) -> None:
    """Only where a run without a decay is planned."""
    levels = {"adamw": 20, "adam_scaled_l2": 22, "adam_metric_prox": 50, "adaml2": 60}

    def model(config: RunConfig) -> Made:
        return Made(levels.get(config.optimizer.name, 30) if config.optimizer.weight_decay else 40)

    verdicts = judged(digits, model, "11a")
    note = "against Adam without a decay (exploratory): +19.00 points"
    assert sum(note in " ".join(verdict.notes) for verdict in verdicts.values()) == 1
    assert note in " ".join(verdicts["11a-resnet80w8-nobn"].notes)
    assert verdicts["11a-resnet80w8-nobn"].effect == pytest.approx(34)


def test_an_order_of_four_methods_is_shown_but_not_judged(cifar16: Loaded) -> None:
    """At depth 110 the profile trains only the four corners."""
    spreads = {"adamw": 0.0, "adam_scaled_l2": 1.0, "adam_metric_prox": 5.0, "adaml2": 6.0}

    def model(config: RunConfig) -> Made:
        spread = spreads.get(config.optimizer.name, 0.0)
        return Made(20 + 5 * spread, decay_spread=spread)

    verdict = judged(cifar16, model, "14")["14-resnet110w8-nobn"]
    assert verdict.effect == pytest.approx(1)
    assert verdict.verdict == "not judged" and "4 methods" in verdict.reason


def test_only_profiles_with_selection_seeds_have_planned_claims(profiles: dict[str, Loaded], quick: Loaded) -> None:
    for loaded in profiles.values():
        for verdict in judged(loaded, alike).values():
            assert verdict.planned == (not is_exploratory(verdict.question.number))
    assert not any(verdict.planned for verdict in judged(quick, alike).values())
    assert evidence(quick, alike).selects_itself


def test_notes_on_agreement_show_the_replicas_difference(digits: Loaded, cifar16: Loaded) -> None:
    """It shows how far rounding alone moves a run, where a replica is trained."""

    def model(config: RunConfig) -> Made:
        return Made(30.0 + 2.0 * config.replica + 0.1 * (config.seed % 3) + (config.optimizer.name == "adamprox"))

    for loaded, network, seeds in ((digits, "20w8", 20), (cifar16, "56w8", 5)):
        notes = judged(loaded, model, "1")[f"1-resnet{network}-nobn"].notes
        (note,) = (note for note in notes if note.startswith("AdamW's replica minus AdamW"))
        assert note.startswith("AdamW's replica minus AdamW: +2.00 points, 95 % interval [+1.")
        assert note.endswith(f"{seeds} seeds")
    (note,) = (n for n in judged(digits, model, "7")["7-resnet80w8-nobn"].notes if n.startswith("the same for Adam-l2"))
    assert "+0.00 points" in note
