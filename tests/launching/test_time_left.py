"""The time that a sweep has left: never below 0, and estimated from its own runs."""

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
    """A worker that has trained a run for this many seconds, without a process."""
    ours, _ = multiprocessing.Pipe()
    return Worker(multiprocessing.Process(), ours, config, time.perf_counter() - since)


def test_the_time_left_is_unknown_before_a_run_has_been_trained(tiny: Make) -> None:
    assert TimeLeft(1).seconds([tiny()], []) is None


def test_pending_runs_are_shared_by_the_workers(tiny: Make) -> None:
    left = TimeLeft(2)
    left.pace.add(tiny({"seed": 9}), 10.0)
    assert left.seconds([tiny({"seed": seed}) for seed in range(6)], []) == pytest.approx(30.0)
    # A single run cannot be shared.
    assert left.seconds([tiny()], []) == pytest.approx(10.0)


def test_time_already_spent_is_subtracted_but_never_below_zero(tiny: Make) -> None:
    left = TimeLeft(1)
    left.pace.add(tiny({"seed": 9}), 10.0)
    assert left.seconds([], [worker(tiny(), 4.0)]) == pytest.approx(6.0, abs=0.5)
    assert left.seconds([], [worker(tiny(), 1000.0)]) == 0.0
    assert left.seconds([], []) == 0.0


def test_runs_with_a_record_take_no_time(tiny: Make) -> None:
    configs = [tiny({"seed": seed}) for seed in range(3)]
    put(Store(configs[0].results_dir), hand_made(configs[0], 0.2))
    left = TimeLeft(1)
    left.pace.add(tiny({"seed": 9}), 10.0)
    assert left.seconds(configs, []) == pytest.approx(20.0)


def test_a_runs_time_left_is_estimated_from_this_sessions_epochs(
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
