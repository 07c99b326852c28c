"""Real offline wandb runs, read back with wandb's own reader."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from conftest import TINY
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.records import Record, Store, cell_identity, cell_slug, scientific_config
from scalefree.training import run, trainer
from scalefree.training.task import Task
from tracking.wandb_files import rows, run_folders, summary

EPOCHS = 3


class Tracked:
    """Two runs of one process in one RESULTS folder: one that completes, and one that raises in its second epoch."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.completed = run(self.config(**{"optimizer": "adaml2"})).record
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer, "steps", self.failing(trainer.steps))
            with pytest.raises(RuntimeError, match="broken"):
                run(self.config(seed=1))
        self.failed_identity = next(i for i in Store(results).records() if i != self.completed.identity)

    def config(self, **values: Any) -> RunConfig:
        tracking = {
            "tracking": "offline",
            "tracking.group": "without_bn",
            "tracking.tags": ["profile:quick", "depth"],
        }
        epochs = {"training.epochs": EPOCHS, "training.histogram_epochs": [1], "training.evaluate_every": 3}
        return run_config({**TINY, **tracking, **epochs, "results_dir": str(self.results), **values})

    @staticmethod
    def failing(original: Any) -> Any:
        def steps(task: Task, epoch: int, start_step: int) -> Iterator[Tensor]:
            if epoch == 1:
                raise RuntimeError("broken")
            return original(task, epoch, start_step)  # type: ignore[no-any-return]

        return steps

    def folder(self, identity: str) -> Path:
        (found,) = [folder for folder in run_folders(self.results) if folder.name.endswith(identity)]
        return found

    def history(self, record: Record) -> list[dict[str, Any]]:
        return [row["history"]["item"] for row in rows(self.folder(record.identity)) if row["type"] == "history"]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    return Tracked(tmp_path_factory.mktemp("tracked"))


@pytest.fixture(scope="module")
def history(tracked: Tracked) -> list[dict[str, Any]]:
    return tracked.history(tracked.completed)


def test_each_run_has_one_folder_in_a_common_wandb_folder(tracked: Tracked) -> None:
    folders = run_folders(tracked.results)
    assert len(folders) == 2 and {folder.parent for folder in folders} == {tracked.results / "wandb"}
    assert not list((tracked.results / "runs").rglob("*.wandb"))


def test_wandb_has_the_runs_id_name_group_job_type_tags_and_configuration(tracked: Tracked) -> None:
    (told,) = [row["run"] for row in rows(tracked.folder(tracked.completed.identity)) if row["type"] == "run"]
    assert told["run_id"] == tracked.completed.identity and told["display_name"] == tracked.completed.name
    assert told["run_group"] == "without_bn" and told["job_type"] == "adaml2" and told["project"] == "scalefree"
    assert told["tags"] == ["profile:quick", "depth"]
    config = {key: value for key, value in told["config"]["update"].items() if key != "_wandb"}
    environment = tracked.completed.environment
    assert config.pop("machine") == {key: environment[key] for key in ("device", "threads")}
    seeds = [tracked.config(**{"optimizer": "adaml2", "seed": seed}) for seed in range(2)]
    cells = {(cell_identity(config), cell_slug(config)) for config in seeds}
    assert cells == {(config.pop("cell"), config.pop("cell_name"))}, "shared by all seeds of the cell"
    assert config == scientific_config(tracked.config(**{"optimizer": "adaml2"})) == tracked.completed.config


def test_curves_are_logged_by_epoch_as_in_the_record(tracked: Tracked, history: list[dict[str, Any]]) -> None:
    curves = Store(tracked.results).curves(tracked.completed)
    assert [row["epoch"] for row in history] == [row["_step"] for row in history] == [1, 2, 3]
    for name, curve in curves.items():
        told = [row.get(name, np.nan) for row in history]
        np.testing.assert_allclose(told, curve, rtol=1e-12, err_msg=name)
    assert "test_error" not in history[0] and "test_error" in history[2]


def test_update_scales_are_logged_as_histograms_and_scalars(tracked: Tracked, history: list[dict[str, Any]]) -> None:
    counts = Store(tracked.results).histograms(tracked.completed)["counts/network"]
    measured = [row for row in history if "update_scale/network/q50" in row]
    assert [row["epoch"] for row in measured] == [1, 3]
    for row, expected in zip(measured, counts, strict=True):
        key = "update_scale/network/log2_histogram"
        assert row[f"{key}._type"] == "histogram"
        # The underflow bin is drawn below the first power of two, and values that are not finite above all others.
        assert row[f"{key}.values"] == expected.tolist()
        assert row[f"{key}.bins"] == [*range(-28, 7)]
    for name, value in tracked.completed.update_scale["network"].items():
        assert measured[-1][f"update_scale/network/{name}"] == pytest.approx(value, rel=1e-12)


def test_a_completed_run_is_finished_with_its_outcome(tracked: Tracked) -> None:
    told = summary(tracked.folder(tracked.completed.identity))
    assert told["state"] == "finished" and told["exit_code"] == 0
    assert told["summary"]["outcome"] == "completed"
    assert told["summary"]["final_test_error"] == pytest.approx(tracked.completed.test_error)


def test_the_summary_leaves_out_bins_and_layer_groups(tracked: Tracked) -> None:
    told = summary(tracked.folder(tracked.completed.identity))["summary"]
    assert not [name for name in told if "log2_histogram" in name]
    groups = {name.split("/")[1] for name in told if "/" in name}
    assert groups == {"network"} and len(told) < 100
    assert told["update_scale/network/q50"] == pytest.approx(tracked.completed.update_scale["network"]["q50"])
    assert json.loads(told["record"])["update_scale"] == tracked.completed.update_scale, "the record has all groups"


def test_a_run_that_raises_is_finished_as_failed(tracked: Tracked) -> None:
    told = summary(tracked.folder(tracked.failed_identity))
    assert told["state"] == "failed" and told["exit_code"] == 1
    assert told["summary"]["epoch"] == 1, "what was logged before the failure is kept"
