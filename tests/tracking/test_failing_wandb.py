"""Whatever wandb does, the run continues, warns once, and has the same results."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb

from conftest import Make
from scalefree.config import RunConfig
from scalefree.records import Store
from scalefree.tracking import NullTracker, start_tracker
from scalefree.training import run
from training.reference import RUN_MODULE


class FakeRun:
    """A wandb run of which one chosen method raises; `step` is where it resumes."""

    id = "fake"
    dir = "nowhere/offline-run-fake/files"

    def __init__(self, broken: str = "", step: int = 0) -> None:
        self.broken = broken
        self.step = step
        self.calls: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.exit_codes: list[int] = []
        self.summary = self

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self.broken:
            raise wandb.Error(f"{name} is broken")

    def define_metric(self, *_: object, **__: object) -> None:
        self._called("define_metric")

    def log(self, row: dict[str, Any], step: int) -> None:
        self.rows.append(row)
        self._called("log")

    def update(self, values: dict[str, Any]) -> None:
        self._called("update")

    def finish(self, exit_code: int) -> None:
        self.exit_codes.append(exit_code)
        self._called("finish")


def result(config: RunConfig) -> dict[str, Any]:
    """Everything that must not depend on tracking."""
    record, trained = run(config)
    assert trained
    curves = Store(config.results_dir).curves(record)
    kept = {name: curve.tolist() for name, curve in curves.items() if "seconds" not in name}
    return {**record.document(), "timing": None, "curves": kept}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "without wandb: " in record.message]


@pytest.mark.parametrize("broken", ["", "define_metric", "log", "update", "finish"])
def test_a_wandb_run_that_raises_does_not_change_the_result_and_is_finished(
    broken: str, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeRun(broken)
    monkeypatch.setattr(wandb, "init", lambda **_: fake)
    expected = result(tiny({"tracking": "none", "results_dir": str(tmp_path / "untracked")}))
    assert result(tiny({"tracking": "offline"})) == expected
    assert fake.exit_codes == [0], "finished exactly once"
    assert fake.calls.count("log") == {"define_metric": 0, "log": 1}.get(broken, 2)
    lines = said(caplog)
    assert len(lines) == (1 if broken else 0)
    assert all(f"{broken} is broken" in line for line in lines)


def test_a_wandb_that_does_not_start_does_not_change_the_result(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: object) -> None:
        raise wandb.errors.CommError("no network")

    expected = result(tiny({"tracking": "none", "results_dir": str(tmp_path / "untracked")}))
    monkeypatch.setattr(wandb, "init", refuse)
    assert result(tiny({"tracking": "online"})) == expected
    assert len(said(caplog)) == 1 and "CommError: no network" in said(caplog)[0]


def test_runs_train_without_wandb_installed(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert run(tiny({"tracking": "offline"})).record.outcome.status == "completed"
    assert len(said(caplog)) == 1


def test_a_tracked_run_that_raises_is_finished_as_failed(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **_: fake)
    monkeypatch.setattr(RUN_MODULE, "build_task", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(tiny({"tracking": "offline"}))
    assert fake.exit_codes == [1]


def test_an_interrupted_run_is_finished(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **_: fake)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RUN_MODULE, "build_task", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tiny({"tracking": "offline"}))
    assert fake.exit_codes == [1]


@pytest.mark.parametrize(("mode", "expected"), [("offline", "offline"), ("online", "online")])
def test_wandb_is_started_as_configured(mode: str, expected: str, tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def init(**arguments: Any) -> FakeRun:
        asked.update(arguments)
        return FakeRun()

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    config = tiny({"tracking": mode, "tracking.project": "paper", "tracking.entity": "lab"})
    record, _ = run(config)
    assert asked["mode"] == expected and (asked["project"], asked["entity"]) == ("paper", "lab")
    assert asked["id"] == record.identity and asked["name"] == record.name
    assert str(asked["dir"]) == config.results_dir
    assert asked["resume"] == ("allow" if mode == "online" else None)


def test_with_tracking_none_wandb_is_not_started(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "init", pytest.fail)
    config = tiny({"tracking": "none"})
    assert isinstance(start_tracker(config, tmp_path, "name", 200, {}), NullTracker)
    assert run(config).trained


def test_histograms_sent_to_wandb_count_every_finite_coordinate(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRun()
    monkeypatch.setattr(wandb, "init", lambda **_: fake)
    record, _ = run(tiny({"tracking": "offline"}))
    histogram = fake.rows[-1]["update_scale/network/log2_histogram"]
    assert isinstance(histogram, wandb.Histogram)
    assert np.sum(histogram.histogram) == record.parameters
    assert len(histogram.bins) == len(histogram.histogram) + 1
