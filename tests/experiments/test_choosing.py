"""Choosing each method's cell: by exact validation error over all seeds, and never from an incomplete grid."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest

from experiments.made import frozen, made_cells, record
from scalefree.compose import run_config
from scalefree.experiments import Cell, Result, experiment_names, load_experiment, settings
from scalefree.experiments.arms import network_of
from scalefree.experiments.choosing import choose, choose_again, fill_in, selection_grids, waited_for
from scalefree.experiments.frozen import Cell as Chosen
from scalefree.experiments.frozen import Frozen, read_frozen
from scalefree.records import Record, run_identity

# (method, step size, decay, seed) -> (test, validation) errors, DIVERGED, or MISSING.
DIVERGED, MISSING = "diverged", None
Outcome = tuple[float, float] | str | None
Outcomes = Mapping[tuple[str, float, float, int], Outcome]


def result(method: str, lr: float, decay: float, seed: int, outcome: Outcome, **more: object) -> Result:
    name, _, granularity = method.partition("_by_")
    values = {
        "dataset": "digits",
        "dataset.validation_fraction": 0.1,
        "model": "resnet",
        "model.batch_norm": False,
        "optimizer": name,
        "optimizer.granularity": granularity or "coordinate",
        "optimizer.lr": lr,
        "optimizer.weight_decay": decay,
        "seed": seed,
        **more,
    }
    config = run_config(values)
    made = None
    if outcome == DIVERGED:
        made = record(config, None)
    elif isinstance(outcome, tuple):
        made = record(config, *outcome)
    return Result(Cell(config, config, run_identity(config)), made)


def chosen(outcomes: Outcomes) -> Mapping[str, Chosen]:
    """The chosen cells of the only network."""
    results = [result(*key, outcome) for key, outcome in outcomes.items()]
    return choose(settings(results)).cells.get("resnet20-nobn", {})


def at(cells: Mapping[str, Chosen], method: str) -> tuple[float, float]:
    return cells[method].lr, cells[method].weight_decay


def test_the_validation_error_decides_and_never_the_test_error() -> None:
    cells = chosen({("adamw", 1e-3, 1e-4, 100): (0.2, 0.4), ("adamw", 1e-3, 1e-3, 100): (0.3, 0.3)})
    assert at(cells, "adamw") == (1e-3, 1e-3) and cells["adamw"].validation_error == 0.3


def test_the_mean_over_seeds_decides() -> None:
    cells = chosen(
        {
            ("adamw", 1e-3, 1e-4, 100): (0.0, 0.1),
            ("adamw", 1e-3, 1e-4, 101): (0.0, 0.5),
            ("adamw", 1e-3, 1e-3, 100): (0.0, 0.2),
            ("adamw", 1e-3, 1e-3, 101): (0.0, 0.3),
        }
    )
    assert at(cells, "adamw") == (1e-3, 1e-3) and cells["adamw"].validation_error == 0.25
    assert [name.split("-seed")[1][:3] for name in cells["adamw"].chosen_by] == ["100", "101"]


def test_each_method_and_granularity_has_a_cell_of_its_own() -> None:
    outcomes = {
        (method, 1e-3, decay, 100): (0.5, 0.1 if decay == best else 0.4)
        for method, best in {
            "adamw": 1e-4,
            "adaml2": 1e-3,
            "adam_scaled_l2": 3e-3,
            "adam_scaled_l2_by_layer": 1e-5,
        }.items()
        for decay in (1e-5, 1e-4, 1e-3, 3e-3)
    }
    cells = chosen(outcomes)
    best = {method: cell.weight_decay for method, cell in cells.items() if not method.endswith("_decayed")}
    assert best == {"adamw": 1e-4, "adaml2": 1e-3, "adam_scaled_l2": 3e-3, "adam_scaled_l2_by_layer": 1e-5}


@pytest.mark.parametrize("other", [(0.9, 0.9), (1.0, 1.0)])
def test_a_cell_with_a_diverged_run_does_not_win(other: tuple[float, float]) -> None:
    outcomes: Outcomes = {
        ("adamw", 1e-3, 1e-4, 100): (0.0, 0.0),
        ("adamw", 1e-3, 1e-4, 101): DIVERGED,
        ("adamw", 1e-3, 1e-3, 100): other,
        ("adamw", 1e-3, 1e-3, 101): other,
    }
    assert at(chosen(outcomes), "adamw") == (1e-3, 1e-3)
    assert chosen(dict(list(outcomes.items())[:2])) == {}, "if every cell diverged nothing is chosen"


def test_ties_go_to_the_smaller_decay_then_to_the_smaller_step_size() -> None:
    same = (0.5, 0.2)
    outcomes = {("adamw", lr, decay, 100): same for lr in (2e-3, 1e-3, 4e-3) for decay in (1e-3, 1e-4, 3e-3)}
    assert at(chosen(outcomes), "adamw") == (1e-3, 1e-4)


def test_ties_are_decided_by_wrong_images_not_by_rounding() -> None:
    """7 + 1 + 1, 1 + 1 + 7 and 3 + 3 + 3 wrong images are equally many, but as floats the means differ."""
    wrong = {1e-1: (7, 1, 1), 1e-2: (1, 1, 7), 1e-3: (3, 3, 3)}
    assert len({sum(count / 359 for count in counts) for counts in wrong.values()}) > 1, "else this test shows nothing"
    for subset in ((1e-1, 1e-2, 1e-3), (1e-1, 1e-2), (1e-2, 1e-3), (1e-1, 1e-3)):
        outcomes = {
            ("adamw", 1e-3, decay, 100 + seed): (0.5, count / 359)
            for decay in subset
            for seed, count in enumerate(wrong[decay])
        }
        assert chosen(outcomes)["adamw"].weight_decay == min(subset)


def test_one_wrong_image_fewer_wins() -> None:
    outcomes = {
        ("adamw", 1e-3, 1e-1, 100): (0.5, float(Fraction(1233, 5000))),
        ("adamw", 1e-3, 1e-4, 100): (0.5, float(Fraction(1234, 5000))),
    }
    assert chosen(outcomes)["adamw"].weight_decay == 1e-1


@pytest.mark.parametrize(
    ("winner", "edges"),
    [
        ((2e-3, 1e-3), ()),
        ((2e-3, 0.0), ()),
        ((2e-3, 1e-2), ("larger weight_decay",)),
        ((4e-3, 1e-3), ("larger lr",)),
        ((1e-3, 1e-3), ("smaller lr",)),
        ((1e-3, 1e-2), ("larger weight_decay", "smaller lr")),
    ],
)
def test_the_edges_of_the_grid_are_named(winner: tuple[float, float], edges: tuple[str, ...]) -> None:
    """lambda = 0 is not an edge, since nothing is below it, and 1e-3 is inside, since 0 is below it."""
    outcomes = {
        ("adamw", lr, decay, 100): (0.5, 0.1 if (lr, decay) == winner else 0.3)
        for lr in (1e-3, 2e-3, 4e-3)
        for decay in (0.0, 1e-3, 1e-2)
    }
    assert chosen(outcomes)["adamw"].edges == edges


def test_the_smallest_decay_is_an_edge_without_0_and_diverged_cells_are_tried() -> None:
    outcomes: Outcomes = {
        ("adamw", 1e-3, 1e-4, 100): (0.5, 0.1),
        ("adamw", 1e-3, 1e-3, 100): (0.5, 0.3),
        ("adamw", 2e-3, 1e-4, 100): DIVERGED,
        ("adamw", 5e-4, 1e-4, 100): (0.5, 0.3),
    }
    assert chosen(outcomes)["adamw"].edges == ("smaller weight_decay",)


def test_the_best_cell_with_a_decay_is_chosen_as_well() -> None:
    outcomes = {
        ("adamw", 1e-3, 0.0, 100): (0.5, 0.1),
        ("adamw", 1e-3, 1e-4, 100): (0.5, 0.3),
        ("adamw", 1e-3, 1e-3, 100): (0.5, 0.2),
        ("adamw", 2e-3, 0.0, 100): (0.5, 0.2),
    }
    cells = chosen(outcomes)
    assert at(cells, "adamw") == (1e-3, 0.0) and at(cells, "adamw_decayed") == (1e-3, 1e-3)
    assert at(cells, "no_decay") == (1e-3, 0.0)
    assert "adamw_decayed" not in chosen({key: value for key, value in outcomes.items() if key[2] == 0})


@pytest.mark.parametrize("lacking", [MISSING, "no such cell"])
def test_an_incomplete_grid_chooses_nothing_for_its_own_method_only(lacking: Outcome) -> None:
    outcomes: dict[tuple[str, float, float, int], Outcome] = {
        (method, 1e-3, decay, seed): (0.5, 0.2)
        for method in ("adamw", "adaml2")
        for decay in (1e-4, 1e-3)
        for seed in (100, 101)
    }
    if lacking is MISSING:
        outcomes["adaml2", 1e-3, 1e-3, 101] = MISSING
    assert {"adamw"} <= chosen(outcomes).keys() and ("adaml2" in chosen(outcomes)) == (lacking is not MISSING)


def test_unusual_arms_do_not_take_part_in_choosing() -> None:
    outcomes = [(decay, {"optimizer.eps": 1e-3}) for decay in (1e-4, 1e-3)] + [(1e-4, {"replica": 1})]
    results = [result("adamw", 1e-3, decay, 100, (0.5, 0.2), **more) for decay, more in outcomes]
    assert choose(settings(results)) == Frozen({}, 0, "")


# From here on the real experiments, with made-up validation errors.

SELECTING = ("digits", "cifar16")


def records_of(profile: str, wins: Mapping[str, tuple[float, float]] | None = None) -> dict[str, Record]:
    """A record of every selection run; the cells that `wins` names by optimizer are the best."""
    found = {}
    for cell in load_experiment("selection", profile).cells:
        optimizer = cell.config.optimizer
        best = (wins or {}).get(optimizer.name) == (optimizer.lr, optimizer.weight_decay)
        if best or cell.identity not in found:
            found[cell.identity] = record(cell.run, 0.5, 0.1 if best else 0.3)
    return found


def loaded(profile: str) -> dict[str, tuple[int, int]]:
    """Cells and waiting runs by experiment."""
    experiments = {name: load_experiment(name, profile) for name in experiment_names()}
    return {name: (len(of.cells), len(of.waiting)) for name, of in experiments.items() if name != "selection"}


def test_the_selection_of_digits_gives_every_confirmation_run_its_cell(tmp_path: Path) -> None:
    with frozen(None, tmp_path):
        assert sum(cells for cells, _ in loaded("digits").values()) == 0
        waiting = loaded("digits")
        # Not lambda = 0, where a hundred times the decay would be the same cell.
        wins = dict.fromkeys(("adamw", "adaml2", "adam_scaled_l2", "adam_metric_prox"), (2e-3, 1e-3))
        experiments = [load_experiment(name, "digits") for name in experiment_names()]
        lines = waited_for(experiments, "digits", records_of("digits", wins))
        assert len(lines) > 10 and all(
            "its grid is done; `python scripts/freeze.py profile=digits`" in s for s in lines
        )
        added = fill_in("digits", records_of("digits", wins))
        after = loaded("digits")
        assert after == {name: (runs, 0) for name, (_, runs) in waiting.items()}
        assert read_frozen("digits").cells == added
        assert waited_for([load_experiment(name, "digits") for name in experiment_names()], "digits", {}) == []
        for cell in load_experiment("corners", "digits").cells:
            chosen = added[f"resnet{cell.config.model.depth}w8-nobn"][cell.config.optimizer.name]
            assert (cell.config.optimizer.lr, cell.config.optimizer.weight_decay) == (chosen.lr, chosen.weight_decay)
        assert fill_in("digits", records_of("digits")) == {}, "nothing is left to choose"


@pytest.mark.parametrize("profile", ["digits", "cifar16", "rented"])
def test_every_cell_that_a_run_waits_for_has_a_grid(tmp_path: Path, profile: str) -> None:
    with frozen(None, tmp_path):
        experiments = [load_experiment(name, profile) for name in experiment_names()]
        lines = waited_for(experiments, profile, {})
        assert bool(lines) == any(experiment.waiting for experiment in experiments)
        assert [line for line in lines if "no grid" in line] == []


def test_on_cifar16_every_grid_chooses(tmp_path: Path) -> None:
    wins = {"adamw": (1e-3, 3e-4), "adaml2": (1e-3, 1e-3), "adam_scaled_l2": (1e-3, 3e-4)}
    with frozen(None, tmp_path):
        added = fill_in("cifar16", records_of("cifar16", wins))
        usual = {f"resnet{depth}w8-nobn" for depth in (20, 56, 110)}
        assert added.keys() == usual | {"resnet56w8-nobn-fixup", "resnet56w8-bn"}
        cells = added["resnet56w8-nobn"]
        assert at(cells, "adamw") == at(cells, "adamw_decayed") == (1e-3, 3e-4)
        assert at(cells, "adaml2") == (1e-3, 1e-3)
        assert at(cells, "adam_metric_prox") == (5e-4, 0.0), "all of its cells tie"
        assert at(cells, "adam_metric_prox_decayed") == (5e-4, 1e-4)
        assert cells["adaml2"].edges == ()
        assert cells["adam_scaled_l2"].edges == ("larger weight_decay",)
        experiments = [load_experiment(name, "cifar16") for name in experiment_names()]
        lines = waited_for(experiments, "cifar16", {})
        assert not any("resnet56w8-nobn adamw" in line for line in lines)


def test_at_lambda_0_every_method_shares_adamws_run(tmp_path: Path) -> None:
    """If it is the best, each method chooses it, on the strength of AdamW's record."""
    with frozen(None, tmp_path):
        added = fill_in("cifar16", records_of("cifar16", {"adamw": (1e-3, 0.0)}))
        methods = added["resnet56w8-nobn"]
        for method in ("adamw", "adaml2", "adam_scaled_l2", "adam_metric_prox"):
            assert at(methods, method) == (1e-3, 0.0) and methods[method].chosen_by == methods["adamw"].chosen_by
        assert read_frozen("cifar16").cells == added, "as the file is read"


def test_adams_cell_without_a_decay_is_chosen_from_all_methods_runs_there() -> None:
    """A step size that only one method tried counts, and edges are those of the step sizes without a decay."""
    outcomes: Outcomes = {
        ("adamw", 1e-3, 0.0, 100): (0.5, 0.3),
        ("adamw", 2e-3, 0.0, 100): (0.5, 0.2),
        ("adamw", 2e-3, 1e-4, 100): (0.5, 0.1),
        ("adamw", 1e-3, 1e-4, 100): (0.5, 0.4),
        ("adamw", 4e-3, 1e-4, 100): (0.5, 0.4),
        ("adaml2", 2e-3, 1e-4, 100): (0.5, 0.25),
        ("adaml2", 1e-3, 1e-4, 100): (0.5, 0.35),
    }
    cells = chosen(outcomes)
    assert at(cells, "no_decay") == (2e-3, 0.0) and cells["no_decay"].edges == ("larger lr",)
    assert at(cells, "adamw") == (2e-3, 1e-4) and cells["adamw"].edges == ("larger weight_decay",)
    fewer = {key: of for key, of in outcomes.items() if key != ("adamw", 2e-3, 0.0, 100)}
    assert at(chosen(fewer), "no_decay") == (1e-3, 0.0)
    assert "no_decay" not in chosen({**outcomes, ("adamw", 1e-3, 0.0, 100): MISSING})
    assert "no_decay" not in chosen({key: of for key, of in outcomes.items() if key[2] > 0})


def test_a_step_size_tried_only_without_a_decay_hides_no_edge() -> None:
    outcomes: Outcomes = {
        ("adamw", 5e-4, 0.0, 100): (0.5, 0.3),
        ("adamw", 1e-3, 0.0, 100): (0.5, 0.3),
        ("adamw", 1e-3, 1e-4, 100): (0.5, 0.1),
        ("adamw", 2e-3, 1e-4, 100): (0.5, 0.2),
        ("adamw", 2e-3, 1e-3, 100): (0.5, 0.2),
    }
    assert chosen(outcomes)["adamw"].edges == ("smaller lr",)


def test_filling_in_keeps_chosen_cells_and_choosing_again_replaces_them(tmp_path: Path) -> None:
    first, second = {"adamw": (1e-3, 3e-4)}, {"adamw": (1e-3, 1e-4)}
    with frozen(None, tmp_path):
        records = records_of("cifar16", first)
        half = {key: of for key, of in records.items() if of.config["optimizer"]["name"] == "adamw"}
        assert fill_in("cifar16", half)["resnet56w8-nobn"].keys() == {"adamw", "adamw_decayed", "no_decay"}
        later = records_of("cifar16", second)
        assert "adamw" not in fill_in("cifar16", later)["resnet56w8-nobn"]
        assert at(read_frozen("cifar16").cells["resnet56w8-nobn"], "adamw") == (1e-3, 3e-4)
        before, now = choose_again("cifar16", later)
        assert at(before.cells["resnet56w8-nobn"], "adamw") == (1e-3, 3e-4)
        assert at(now.cells["resnet56w8-nobn"], "adamw") == (1e-3, 1e-4)
        assert read_frozen("cifar16") == now
        # A grid that has grown and is not complete keeps its cell.
        done = records_of("cifar16", first).items()
        lacking = {key: of for key, of in done if "-wd3e-5-" not in of.name and "-bn-" not in of.name}
        _, kept = choose_again("cifar16", lacking)
        assert kept.cells == now.cells


def test_choosing_again_drops_cells_that_no_grid_tries(tmp_path: Path) -> None:
    with frozen(made_cells("cifar16"), tmp_path):
        _, now = choose_again("cifar16", records_of("cifar16"))
        tried = {network_of(cell.config).label for cell in load_experiment("selection", "cifar16").cells}
        assert now.cells.keys() == tried and all("adamprox" not in methods for methods in now.cells.values())


@pytest.mark.parametrize("profile", SELECTING)
def test_without_records_nothing_is_written(profile: str, tmp_path: Path) -> None:
    with frozen(None, tmp_path) as path:
        assert fill_in(profile, {}) == {} and choose_again(profile, {}) == (Frozen({}, 0, ""), Frozen({}, 0, ""))
        assert not path.exists()
        assert all(grid.done == 0 < grid.runs for grid in selection_grids(profile, {}))


@pytest.mark.parametrize("profile", SELECTING)
def test_without_records_chosen_cells_are_left_as_they_are(profile: str, tmp_path: Path) -> None:
    """Of another, empty store nobody should learn that no record chose them."""
    with frozen(made_cells(profile), tmp_path):
        written = read_frozen(profile)
        assert choose_again(profile, {}) == (written, Frozen({}, 0, ""))
        assert read_frozen(profile) == written and written.cells
