"""A resumed run's wandb history has every epoch once, whatever happened to its earlier sessions."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb

from conftest import TINY, Make
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.records import Record, Store, run_identity
from scalefree.tracking.sessions import newest, sessions
from scalefree.training import Interrupted, run
from scripts.entry import TESTS_ENVIRONMENT
from tracking.test_failing_wandb import FakeRun
from tracking.wandb_files import rows, run_folders
from training.disturbed import at_steps, child

EPOCHS = 4
VALUES = {"tracking": "offline", "training.epochs": EPOCHS, "training.evaluate_every": 2}


def assert_complete(config: RunConfig, record: Record) -> None:
    """Asserts that one folder is left, with the record's history, epoch by epoch, without gaps or repetitions."""
    (folder,) = run_folders(Path(config.results_dir))
    history = [row["history"]["item"] for row in rows(folder) if row["type"] == "history"]
    assert [row["_step"] for row in history] == [row["epoch"] for row in history] == [1, 2, 3, 4]
    store = Store(config.results_dir)
    for name, curve in store.curves(record).items():
        assert [row.get(name) for row in history] == [None if np.isnan(value) else value for value in curve], name
    histograms = store.histograms(record)
    assert histograms["epoch"].tolist() == [1, 2, 4]
    for key, name in (
        ("update_scale/network", "counts/network"),
        ("gradient/stage1", "gradient_counts/stage1"),
        ("parameter/head", "parameter_counts/head"),
    ):
        told = [row[f"{key}/log2_histogram.values"] for row in history if f"{key}/log2_histogram.values" in row]
        assert told == histograms[name].tolist()
    assert [row["images_seen"] for row in history] == [200, 400, 600, 800]


def test_a_run_interrupted_twice_has_a_complete_history(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(VALUES)
    for step in (9, 8):  # in the second epoch, and in the third
        with monkeypatch.context() as patch:
            at_steps(patch, {step: signal.SIGTERM})
            with pytest.raises(Interrupted):
                run(config)
        assert len(run_folders(Path(config.results_dir))) == 1, "the newest session has all epochs so far"
    assert_complete(config, run(config).record)


def test_sessions_from_the_same_second_are_recognised(tiny: Make) -> None:
    """wandb marks the later ones with a number at the end of the folder's name."""
    config = tiny(VALUES)
    wandb_folder = Path(config.results_dir) / "wandb"
    first, second, other = (
        wandb_folder / f"offline-run-20260101_000000-{name}"
        for name in (run_identity(config), f"{run_identity(config)}-1", "0123456789ab-1")
    )
    for folder in (second, first, other):
        folder.mkdir(parents=True)
    assert newest(sessions(wandb_folder))[run_identity(config)].folder == second
    run(config)
    assert not first.exists() and not second.exists() and other.exists()


def test_a_killed_run_has_a_complete_history(tmp_path: Path) -> None:
    """The next session logs what the killed one had not written yet, perhaps everything."""
    values = {**TINY, **VALUES, "results_dir": str(tmp_path / "results")}
    # Seven steps per epoch, a checkpoint after each; it is killed in the middle of epoch 3.
    program = child(values, {17: signal.SIGKILL}, checkpoint_seconds=-1.0)
    done = subprocess.run([sys.executable, "-c", program], env=TESTS_ENVIRONMENT)
    assert done.returncode == -signal.SIGKILL
    config = run_config(values)
    assert len(run_folders(Path(config.results_dir))) == 1
    assert_complete(config, run(config).record)


def interrupted(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stops the run in its second epoch; returns the folder of that session."""
    with monkeypatch.context() as patch:
        at_steps(patch, {9: signal.SIGTERM})
        with pytest.raises(Interrupted):
            run(config)
    (folder,) = run_folders(Path(config.results_dir))
    return folder


def test_a_broken_wandb_session_removes_no_earlier_one(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(VALUES)
    before = interrupted(config, monkeypatch)
    original = wandb.init

    def broken(**arguments: Any) -> Any:
        started = original(**arguments)
        monkeypatch.setattr(started, "log", None)
        return started

    monkeypatch.setattr(wandb, "init", broken)
    run(config)
    assert before in run_folders(Path(config.results_dir))


def test_a_session_that_failed_removes_no_earlier_one(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(VALUES)
    before = interrupted(config, monkeypatch)
    with monkeypatch.context() as patch:
        at_steps(patch, {10: RuntimeError("broken")})
        with pytest.raises(RuntimeError, match="broken"):
            run(config)
    assert before in run_folders(Path(config.results_dir))
    run(config)
    assert len(run_folders(Path(config.results_dir))) == 1


def test_folders_of_other_runs_are_kept(tiny: Make) -> None:
    first, second = tiny(VALUES), tiny({**VALUES, "seed": 1})
    run(first)
    run(second)
    assert len(run_folders(Path(first.results_dir))) == 2


@pytest.mark.parametrize("next_step", [0, 2, 3])
def test_online_only_epochs_that_the_server_lacks_are_sent(
    next_step: int, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has steps 1 .. next_step - 1; the checkpoint is from after epoch 2."""
    config = tiny({**VALUES, "tracking": "online"})
    fake = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **_: fake)
    with monkeypatch.context() as patch:
        at_steps(patch, {16: signal.SIGTERM})
        with pytest.raises(Interrupted):
            run(config)
    assert [row["epoch"] for row in fake.rows] == [1, 2]
    fake = FakeRun(step=next_step)
    run(config)
    assert [row["epoch"] for row in fake.rows] == list(range(max(next_step, 1), EPOCHS + 1))
