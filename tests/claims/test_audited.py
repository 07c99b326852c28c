"""Cells at edges, the replica in AdamW's place, the bound on the weights: added after records had been seen."""

import dataclasses
import math
from pathlib import Path

import pytest

from claims.made import Made, judged
from experiments.made import CELLS, Loaded, load, made_cells
from scalefree.claims.page import paragraph, table
from scalefree.config import RunConfig


def better(config: RunConfig) -> Made:
    """AdamW's replica is two points worse than AdamW, Adam-l2 nine."""
    worse = {"adaml2": 9.0, "adam_metric_prox": 7.0, "adam_scaled_l2": 1.0}.get(config.optimizer.name, 0.0)
    return Made(30 + worse + 2 * config.replica + 0.3 * (config.seed % 3) * (1 + (config.optimizer.name == "adaml2")))


def test_a_verdict_on_a_cell_at_an_edge_is_provisional(tmp_path: Path) -> None:
    """Also when the cell belongs to another network, as in 4c; verdicts on other cells are not provisional."""
    chosen = made_cells("cifar16")
    network = dict(chosen.cells["resnet20w8-nobn"])
    network["adaml2"] = dataclasses.replace(network["adaml2"], edges=("larger weight_decay", "larger lr"))
    chosen = dataclasses.replace(chosen, cells={**chosen.cells, "resnet20w8-nobn": network})
    verdicts = judged(load("cifar16", chosen, tmp_path), better, "1", "4b", "4c", "15")
    provisional = {place for place, verdict in verdicts.items() if verdict.provisional}
    assert provisional == {"4b-resnet20w8-nobn", "4c-resnet110w8-nobn"}
    for place, verdict in verdicts.items():
        notes = [note for note in verdict.notes if note.startswith("provisional")]
        assert len(notes) == (place in provisional)
        assert all("Adam-l2 is at an edge" in note and "larger weight_decay and larger lr" in note for note in notes)
        said = f"**{verdict.verdict}**, provisional"
        assert (said in table([verdict]), said in paragraph(verdict)) == (place in provisional,) * 2
    unjudged = judged(load("cifar16", chosen, tmp_path), lambda config: None, "4b")["4b-resnet20w8-nobn"]
    assert unjudged.verdict == "not judged" and not unjudged.provisional


def test_notes_repeat_the_corner_claims_with_adamws_replica(cifar16: Loaded) -> None:
    expected = {"4b": "+7.24", "11a": "+6.62", "11b": "+0.62", "11c": "+3.24"}
    for number, value in expected.items():
        verdict = judged(cifar16, better, number)[f"{number}-resnet56w8-nobn"]
        (note,) = (note for note in verdict.notes if "replica" in note)
        moved = {"4b": 2.0, "11a": 1.0, "11b": 1.0, "11c": -2.0}[number]
        assert verdict.effect == pytest.approx(float(value) + moved, abs=0.0051)
        assert note.startswith(f"the same with AdamW's replica (exploratory): {value} points"), note
    assert not any("replica" in note for note in judged(cifar16, better, "4b")["4b-resnet20w8-nobn"].notes)


@pytest.mark.parametrize(("largest", "expected"), [(27, "supported"), (30, "contradicted"), (32, "not judged")])
def test_the_largest_weight_is_judged_against_the_bound(largest: int, expected: str, cifar16: Loaded) -> None:
    """Bin 27 ends at 2^0, below alpha / lambda = 2, bin 30 at 2^3, and values in bin 32 may be of any size."""
    verdict = judged(cifar16, lambda config: Made(30.0, largest=largest), "15")["15-resnet56w8-nobn"]
    assert verdict.verdict == expected and not verdict.planned
    if expected != "not judged":
        lr, decay = CELLS["adamw"]
        assert verdict.effect == pytest.approx(math.log2(lr / decay) - (largest - 27))
        (note,) = (note for note in verdict.notes if note.startswith("the same for metric prox"))
        lr, decay = CELLS["adam_metric_prox"]
        assert f"{math.log2(lr / decay) - (largest - 27):+.2f} powers of two" in note


def test_without_weight_decay_the_bound_is_not_judged(tmp_path: Path) -> None:
    loaded = load("cifar16", made_cells("cifar16", adamw=(1e-3, 0.0)), tmp_path)
    verdict = judged(loaded, lambda config: Made(30.0, largest=27), "15")["15-resnet20w8-nobn"]
    assert verdict.verdict == "not judged" and "lambda = 0" in verdict.reason


@pytest.mark.parametrize(("error", "expected"), [(84.9, "supported"), (85.1, "not judged")])
def test_agreement_between_runs_that_learnt_nothing_is_not_judged(error: float, expected: str, cifar16: Loaded) -> None:
    """With ten classes, guessing gets 90 % wrong. It is enough that one method learnt."""
    model = lambda config: Made(error)  # noqa: E731
    for number in ("1", "13-2"):
        assert judged(cifar16, model, number)[f"{number}-resnet56w8-nobn"].verdict == expected
    assert judged(cifar16, model, "4b")["4b-resnet56w8-nobn"].verdict == "negligible"
    verdict = judged(cifar16, lambda config: Made(95.0 if config.optimizer.name == "adamprox" else 30.0), "1")
    assert verdict["1-resnet56w8-nobn"].verdict == "contradicted"
