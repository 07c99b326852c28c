"""The time that a sweep has left: never below 0, and by what its own runs took."""

import logging
import multiprocessing
import time

import pytest

from conftest import Make
from report.hand_made import put
from report.hand_made import record as hand_made
from scalefree.config import RunConfig
from scalefree.launching.time_left import TimeLeft
from scalefree.launching.worker import Worker
from scalefree.records import Store
from scalefree.training.progress import Reporter


def worker(config: RunConfig, since: float) -> Worker:
    """One that has trained a run for so many seconds; it has no process."""
    ours, _ = multiprocessing.Pipe()
    return Worker(multiprocessing.Process(), ours, config, time.perf_counter() - since)


def test_nothing_is_known_before_a_run_was_trained(tiny: Make) -> None:
    assert TimeLeft(1).seconds([tiny()], []) is None


def test_what_is_pending_is_shared_by_the_workers(tiny: Make) -> None:
    left = TimeLeft(2)
    left.pace.add(tiny({"seed": 9}), 10.0)
    assert left.seconds([tiny({"seed": seed}) for seed in range(6)], []) == pytest.approx(30.0)
    # One run is not divided.
    assert left.seconds([tiny()], []) == pytest.approx(10.0)


def test_what_runs_already_has_less_left_and_never_less_than_nothing(tiny: Make) -> None:
    left = TimeLeft(1)
    left.pace.add(tiny({"seed": 9}), 10.0)
    assert left.seconds([], [worker(tiny(), 4.0)]) == pytest.approx(6.0, abs=0.5)
    assert left.seconds([], [worker(tiny(), 1000.0)]) == 0.0
    assert left.seconds([], []) == 0.0


def test_what_the_store_has_takes_no_time(tiny: Make) -> None:
    configs = [tiny({"seed": seed}) for seed in range(3)]
    put(Store(configs[0].results_dir), hand_made(configs[0], 0.2))
    left = TimeLeft(1)
    left.pace.add(tiny({"seed": 9}), 10.0)
    assert left.seconds(configs, []) == pytest.approx(20.0)


def test_a_runs_lines_tell_its_time_left_from_the_epochs_of_this_session(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed after 60 of 100 epochs, at ten seconds per epoch."""
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    report = Reporter("run", 100)
    with caplog.at_level(logging.INFO):
        for epoch in range(61, 101):
            report(epoch, {"batch_loss": 1.0})
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(": ")[0] for line in lines] == ["run epoch 80/100", "run epoch 100/100"]
    assert "left" in lines[0] and "left" not in lines[1]
