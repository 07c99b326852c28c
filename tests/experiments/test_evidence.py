"""A profile's evidence in a store: points by network, arm and cell, and the reason why a point is missing."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.made import CELLS, frozen, made_cells, record
from scalefree.config import RunConfig
from scalefree.experiments import experiment_names, load_experiment
from scalefree.experiments.arms import Arm
from scalefree.experiments.evidence import Evidence, Missing, errors, gather, scalars
from scalefree.experiments.frozen import Frozen
from scalefree.figures.caption import chosen_how
from scalefree.records import Record, Store, run_identity

DEEP = "resnet80w8-nobn"


def gathered(
    profile: str,
    folder: Path,
    error: Callable[[RunConfig], float | None],
    cells: Frozen | None = None,
    lacking: Callable[[RunConfig], bool] = lambda config: False,
) -> Evidence:
    """A profile's evidence if its confirmation runs had these errors; None is a diverged run."""
    with frozen(cells, folder):
        records = {}
        for name in experiment_names():
            for cell in load_experiment(name, profile).cells if name != "selection" else ():
                if not lacking(cell.run):
                    records[cell.identity] = record(cell.run, error(cell.run))
        return gather(profile, Store(folder / "nothing"), records)


def test_a_point_is_one_arm_at_one_cell_over_all_seeds(tmp_path: Path) -> None:
    found = gathered("digits", tmp_path, lambda config: config.seed / 100, made_cells("digits"))
    point = found.complete(DEEP, Arm("adaml2"))
    assert (point.lr, point.weight_decay) == CELLS["adaml2"] and point.status == "completed"
    assert errors(point) == pytest.approx({seed: seed for seed in range(20)})
    # At another method's cell, at a multiple of the decay, and in an unusual arm.
    assert found.complete(DEEP, Arm("adamprox"), cell="adamw").lr == CELLS["adamw"][0]
    scaled = found.complete("resnet20w8-nobn", Arm("adaml2", loss_multiplier=100.0), decay_times=100)
    assert scaled.weight_decay == 100 * CELLS["adaml2"][1]
    assert found.complete(DEEP, Arm("adamw", eps=1e-3)).results[0].config.optimizer.eps == 1e-3
    assert [network.label for network in found.networks] == [
        "resnet20w8-nobn",
        "resnet38w8-bn",
        "resnet38w8-nobn",
        "resnet80w8-nobn",
        "resnet80w8-nobn-fixup",
        "resnet80w8-nobn-zero_last",
    ]
    assert [network.depth for network in found.networks_of(["ladder", "layer_loss"])] == [20, 80]
    assert found.confirms and not found.selects_itself


def test_a_missing_point_says_why_and_whether_it_is_planned(tmp_path: Path) -> None:
    cells = made_cells("digits")
    some = {network: methods for network, methods in cells.cells.items() if network != "resnet38w8-nobn"}

    def lacking(config: RunConfig) -> bool:
        return config.optimizer.name == "adaml2" and config.seed in (3, 4)

    found = gathered("digits", tmp_path, lambda config: 0.5, dataclasses.replace(cells, cells=some), lacking)
    asks: list[tuple[Callable[[], object], str, bool]] = [
        (lambda: found.point("resnet9-nobn", Arm("adamw")), "resnet9-nobn: AdamW is not trained under this", False),
        (lambda: found.point(DEEP, Arm("adamw", eps=1e-2)), "AdamW, eps 1e-2 is not trained under this", False),
        (lambda: found.planned(DEEP, Arm("adamw", eps=1e-2)), "AdamW, eps 1e-2 is not trained under this", False),
        (lambda: found.point(DEEP, Arm("adaml2"), "adamw"), "Adam-l2 is not trained at the cell of adamw", False),
        (lambda: found.point("resnet38w8-nobn", Arm("adamw")), "no cell has been chosen for AdamW yet", True),
        (lambda: found.complete(DEEP, Arm("adaml2")), "Adam-l2 has 18 of 20 seeds", True),
    ]
    for ask, said, asked in asks:
        with pytest.raises(Missing, match=said) as missing:
            ask()
        assert missing.value.asked == asked
    assert found.point(DEEP, Arm("adaml2")).status == "partial"
    # A waiting point is planned too, but has no record.
    assert found.planned("resnet38w8-nobn", Arm("adamw")).records == {}
    assert 38 in {network.depth for network in found.networks if network.is_usual}


def small_is_better(profile: str, folder: Path) -> Evidence:
    """A profile whose runs with the smallest decay have a lower validation error and a higher test error."""
    with frozen(None, folder):
        runs = [cell.run for name in experiment_names() for cell in load_experiment(name, profile).cells]
        smallest = min(run.optimizer.weight_decay for run in runs)
        of = {True: (0.5, 0.1), False: (0.4, 0.2)}
        records = {run_identity(run): record(run, *of[run.optimizer.weight_decay == smallest]) for run in runs}
        return gather(profile, Store(folder / "nothing"), records)


def test_a_profile_without_selection_seeds_chooses_from_its_own_runs(tmp_path: Path) -> None:
    """By validation error: the smaller decay wins, which the test error would not choose."""
    found = small_is_better("smoke", tmp_path)
    assert found.selects_itself and found.tunes and not found.confirms
    network = "resnet14w8-nobn"
    for method in ("adamw", "adaml2", "adam_metric_prox", "adam_scaled_l2"):
        assert set(errors(found.complete(network, Arm(method))).values()) == {50.0}
    assert found.frozen.cells[network]["adamw"].validation_error == 0.1


def test_a_single_cell_is_not_called_chosen(tmp_path: Path) -> None:
    """The profile `quick` has one: it is compared and not at an edge, and captions do not call it chosen."""
    found = small_is_better("quick", tmp_path)
    assert found.selects_itself and not found.tunes and not found.confirms
    for method in ("adamw", "adaml2", "adam_metric_prox", "adam_scaled_l2"):
        assert errors(found.complete(DEEP, Arm(method))) == {0: 50.0, 1: 50.0}
        assert found.frozen.cells[DEEP][method].edges == ()
    point = found.complete(DEEP, Arm("adamw"))
    said = chosen_how(found, [point])
    assert (
        "tuning them for each method may change every comparison" in said
        and "chosen" not in said
        and "edge" not in said
    )
    assert "chosen by validation" in chosen_how(small_is_better("smoke", tmp_path), [])


def test_before_the_selection_nothing_is_chosen_even_with_records(tmp_path: Path) -> None:
    found = gathered("cifar16", tmp_path, lambda config: 0.5)
    assert not found.selects_itself and found.frozen.cells == {}
    assert sum(map(len, found.waiting.values())) > 100 and not any(
        found.results[name] for name in found.results if name != "selection"
    )


def test_grids_of_the_selection_by_network_and_method(tmp_path: Path) -> None:
    found = gathered("cifar16", tmp_path, lambda config: 0.5)
    grids = found.grids("selection")
    assert [network.label for network in grids] == [
        "resnet20w8-nobn",
        "resnet56w8-bn",
        "resnet56w8-nobn",
        "resnet56w8-nobn-fixup",
        "resnet110w8-nobn",
    ]
    corners = {"adamw", "adaml2", "adam_scaled_l2", "adam_metric_prox"}
    for network, methods in grids.items():
        of_all_four = network.depth > 20 and network.initialization == "kaiming"
        # With BatchNorm Adam-l2 is trained at AdamW's cell.
        asked = {"adamw"} if network.batch_norm else corners if of_all_four else {"adamw", "adaml2"}
        assert methods.keys() >= asked
        # At lambda = 0 every method of the corners shares AdamW's run.
        assert all(0 in {point.weight_decay for point in methods[method]} for method in corners & methods.keys())


def test_errors_are_in_points_and_a_diverged_run_counts_100(tmp_path: Path) -> None:
    """Values that are not finite are left out."""

    def error(config: RunConfig) -> float | None:
        return {0: None, 1: 0.25, 2: 0.0, 3: 1.0, 4: math.nan, 5: math.inf}.get(config.seed, 0.5)

    found = gathered("digits", tmp_path, error, made_cells("digits"))
    point = found.complete(DEEP, Arm("adamw"))
    assert point.status == "diverged"
    values = errors(point)
    assert {seed: values[seed] for seed in range(4)} == {0: 100.0, 1: 25.0, 2: 0.0, 3: 100.0}
    assert set(range(20)) - values.keys() == {4, 5}


def test_scalars_keep_only_seeds_with_finite_values(tmp_path: Path) -> None:
    found = gathered("digits", tmp_path, lambda config: 0.5, made_cells("digits"))
    point = found.complete(DEEP, Arm("adamw"))

    def with_scalars(of: Record, seed: int) -> Record:
        known = {0: {"iqr": 1.5}, 1: {"iqr": math.nan}, 2: {"iqr": math.inf}, 3: {"q50": 1.0}}.get(seed, {"iqr": 2.0})
        return dataclasses.replace(of, update_scale={"network": known, "stem": {"iqr": 9.0}} if seed != 5 else {})

    changed = dataclasses.replace(
        point,
        results=tuple(
            dataclasses.replace(result, record=with_scalars(result.record, result.config.seed))
            for result in point.results
            if result.record is not None
        ),
    )
    values = scalars(changed, "update_scale", "iqr")
    assert values[0] == 1.5 and set(range(20)) - values.keys() == {1, 2, 3, 5}
    assert scalars(changed, "effective_decay", "iqr") == {}
