"""freeze.py, and reproduce.py with selection seeds: one command trains, chooses cells and trains again."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scalefree.compose import CONFIG_DIR
from scalefree.experiments import load_experiment
from scalefree.experiments.frozen import Cell, Frozen, read_frozen, write_frozen
from scalefree.records import Store
from scripts.entry import call

PROFILE = """\
description: two epochs of a fifth of the digits
lrs: [1e-3]
weight_decays: [0, 1e-3]
selection_seeds: [100]
seeds: [0, 1]
overrides:
  dataset: digits
  dataset.per_class: 20
  dataset.validation_fraction: 0.2
  training.epochs: 1
  training.batch_size: 32
"""
NETWORK = {"model": "resnet", "model.width": 4, "model.batch_norm": False, "model.depth": 8}
GRID = {**NETWORK, "optimizer.lr": [1e-3, 2e-3], "optimizer.weight_decay": [0, 1e-3], "seed": 100}
SELECTION = [{**GRID, "optimizer": ["adamw", "adaml2"]}]
OWN = [
    {**NETWORK, "optimizer": ["adamw", "adaml2"], "cell": "own", "seed": [0, 1]},
    # No grid tries cells at this depth.
    {**NETWORK, "model.depth": 14, "optimizer": "adamw", "cell": "own", "seed": [0, 1]},
]


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the configurations with the profile `own`, which selects and confirms within seconds."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIG_DIR, folder)
    (folder / "profile" / "own.yaml").write_text(PROFILE)
    for name, grids in {"selection": SELECTION, "corners": OWN}.items():
        content = {"title": "Made", "grids": {"own": grids}}
        (folder / "experiment" / f"{name}.yaml").write_text(f"# @package experiment\n{json.dumps(content)}")
    for module in ("compose", "experiments.grid", "experiments.frozen"):
        monkeypatch.setattr(f"scalefree.{module}.CONFIG_DIR", folder)
    load_experiment.cache_clear()
    yield folder
    load_experiment.cache_clear()


ARGUMENTS = ("profile=own", "jobs=1", "draw=no", "tracking=none")


def test_one_command_trains_the_selection_chooses_cells_and_trains_the_rest(
    configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("freeze.py", ["profile=own"], monkeypatch) == 1
    out, err = capfd.readouterr()
    assert (
        "0 of 4 runs have results; nothing chosen" in out and "has no complete grid in the experiment selection" in err
    )
    assert call("status.py", ["profile=own"], monkeypatch) == 0
    out, _ = capfd.readouterr()
    assert "waiting: resnet8w4-nobn adaml2, 2 runs; 0 of the 4 runs of its grid are done" in out

    assert call("reproduce.py", ["experiment=selection,corners", *ARGUMENTS], monkeypatch) == 0
    out, _ = capfd.readouterr()
    # At lambda = 0 both methods share one run.
    assert "profile own: 6 runs for selection, corners" in out and "6 trained" in out
    frozen = read_frozen("own")
    assert frozen.cells.keys() == {"resnet8w4-nobn"} and frozen.records == 6
    cells = frozen.cells["resnet8w4-nobn"]
    assert {"adamw", "adaml2"} <= cells.keys()
    for method in ("adamw", "adaml2"):
        assert f"chosen: resnet8w4-nobn {method}: lr {cells[method].lr:g}" in out
    runs = {(c.config.optimizer.lr, c.config.optimizer.weight_decay) for c in load_experiment("corners", "own").cells}
    assert runs == {(cells[method].lr, cells[method].weight_decay) for method in ("adamw", "adaml2")}
    assert "more runs, whose cells have now been chosen" in out
    done = {record.identity for record in Store("results").records().values() if record.outcome.is_result}
    assert done == {cell.identity for name in ("selection", "corners") for cell in load_experiment(name, "own").cells}
    last = [line for line in out.splitlines() if line.startswith("waiting")]
    assert last == ["waiting: resnet14w4-nobn adamw, 2 runs; configs/experiment/selection.yaml has no grid for it"]

    assert call("reproduce.py", ["experiment=corners", *ARGUMENTS], monkeypatch) == 0
    out, _ = capfd.readouterr()
    assert "chosen:" not in out and f"{len(runs) * 2} already done" in out

    assert call("freeze.py", ["profile=own"], monkeypatch) == 0
    out, _ = capfd.readouterr()
    assert read_frozen("own") == frozen and f"written: {configs / 'frozen' / 'own.yaml'}" in out
    row = next(line for line in out.splitlines() if " adamw " in line)
    assert "at the edge: try" in row and "was lr" not in row


def test_cells_are_chosen_from_the_store_before_training(
    configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("reproduce.py", ["experiment=corners", *ARGUMENTS], monkeypatch) == 0
    out, _ = capfd.readouterr()
    assert "profile own: 0 runs for corners" in out and out.count("waiting: resnet8w4-nobn") == 2
    assert call("reproduce.py", ["experiment=selection", *ARGUMENTS], monkeypatch) == 0
    out, _ = capfd.readouterr()
    assert "chosen" not in out, "the selection itself waits for nothing"
    assert call("reproduce.py", ["experiment=corners", *ARGUMENTS], monkeypatch) == 0
    out, _ = capfd.readouterr()
    assert out.index("chosen: resnet8w4-nobn adamw") < out.index("runs for corners")


def test_a_changed_cell_is_reported(
    configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("reproduce.py", ["experiment=selection", *ARGUMENTS], monkeypatch) == 0
    assert call("freeze.py", ["profile=own"], monkeypatch) == 0
    cells = read_frozen("own").cells["resnet8w4-nobn"]
    elsewhere = {**cells, "adaml2": Cell(0.5, 0.0, None, ())}
    gone = {"resnet110-nobn": {"adamw": Cell(1e-3, 1e-4, None, ())}}
    write_frozen("own", Frozen({"resnet8w4-nobn": elsewhere, **gone}, 0, ""))
    capfd.readouterr()
    assert call("freeze.py", ["profile=own"], monkeypatch) == 0
    out, _ = capfd.readouterr()
    moved = [line for line in out.splitlines() if "was lr 0.5, weight_decay 0" in line]
    assert len(moved) == 1 and " adaml2 " in moved[0]
    (dropped,) = [line.split() for line in out.splitlines() if "dropped" in line]
    assert dropped[:2] == ["resnet110-nobn", "adamw"] and "resnet110-nobn" not in read_frozen("own").cells


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("profile=huge", "profile=huge is unknown; choose one of"),
        ("profile=../profile/smoke", "profile=../profile/smoke is unknown; choose one of"),
        ("profil=digits", "unknown argument 'profil=digits'"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line_and_nothing_is_written(
    argument: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("freeze.py", [argument], monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith(f"error: {named}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
