"""A sweep over worker processes: one run's fate does not affect the others, and nothing is trained twice."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, Make
from launching import dying
from scalefree.compose import run_config
from scalefree.config import RunConfig, with_values
from scalefree.launching import sweep as sweep_module
from scalefree.launching import worker as worker_module
from scalefree.launching.reports import Report, Sweep
from scalefree.launching.sweep import sweep
from scalefree.records import Store, run_label, run_name
from scalefree.training import run
from training.reference import trainer_of


def until(condition: Callable[[], Any]) -> Any:
    """Waits for the condition's first true value; ten minutes are enough for the slowest machine."""
    deadline = time.monotonic() + 600
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def owner(config: RunConfig) -> int | None:
    """The process that holds the run's lock, according to the kernel."""
    lock = Path(config.results_dir) / "locks" / run_name(config)
    if lock.exists():
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, _, pid, place, *_ = line.split()
            if kind == "FLOCK" and place.rpartition(":")[2] == str(lock.stat().st_ino):
                return int(pid)
    return None


def answers_sigterm(pid: int) -> bool:
    """Whether that process has a handler for SIGTERM, which means that it is in its training loop."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.fixture
def handlers_restored() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == previous
    assert not multiprocessing.active_children()


class Mixed:
    """A sweep with two workers over six runs with different fates; the longest starts first."""

    def __init__(self, results: Path) -> None:
        def config(**values: Any) -> RunConfig:
            return run_config({**TINY, "results_dir": str(results), **values})

        self.store = Store(results)
        self.fates = {
            "killed": config(**{"training.epochs": 2000}),
            "diverged": config(**{"optimizer.lr": 1e12, "optimizer": "adaml2"}),
            "trained": config(seed=1),
            "also trained": config(seed=2),
            "failed": config(**{"dataset": "image_folder", "dataset.root": str(results / "nowhere")}),
            "already done": config(seed=3, **{"training.epochs": 1}),
        }
        run(self.fates["already done"])
        self.before = self.store.records()
        killer = threading.Thread(target=self.kill)
        killer.start()
        self.sweep = sweep(list(self.fates.values()), jobs=2)
        killer.join()

    def kill(self) -> None:
        pid = until(lambda: owner(self.fates["killed"]))
        until(lambda: answers_sigterm(pid))
        os.kill(pid, signal.SIGKILL)

    def report(self, fate: str) -> Report:
        (found,) = [r for r in self.sweep.reports if r.label == run_label(self.fates[fate]) and self.fits(r, fate)]
        return found

    def fits(self, report: Report, fate: str) -> bool:
        """Tells apart two runs with the same label, which does not name the root."""
        return ("root" in report.detail) == (fate == "failed")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    return Mixed(tmp_path_factory.mktemp("sweep"))


def test_every_run_is_reported_once_with_its_own_outcome(mixed: Mixed) -> None:
    endings = {fate: mixed.report(fate).ending for fate in mixed.fates}
    assert endings == {
        "killed": "failed",
        "diverged": "diverged",
        "trained": "trained",
        "also trained": "trained",
        "failed": "failed",
        "already done": "already done",
    }
    assert len(mixed.sweep.reports) == 6 and not mixed.sweep.interrupted


def test_the_store_has_only_the_results(mixed: Mixed) -> None:
    records = mixed.store.records()
    assert {record.name for record in records.values()} == {
        run_name(mixed.fates[fate]) for fate in ("diverged", "trained", "also trained", "already done")
    }
    assert all(records[identity] == record for identity, record in mixed.before.items())
    alone = run(mixed.fates["trained"])
    assert not alone.trained, "the worker's record is used here"


@pytest.mark.parametrize("fate", ["trained", "also trained"])
def test_runs_beside_ones_that_diverge_or_die_are_what_they_are_alone(fate: str, mixed: Mixed, tmp_path: Path) -> None:
    beside = mixed.store.read(run_name(mixed.fates[fate]))
    assert beside is not None
    (alone, _) = run(with_values(mixed.fates[fate], {"results_dir": str(tmp_path)}))
    assert alone.final_metrics == beside.final_metrics and alone.update_scale == beside.update_scale
    curves = Store(tmp_path).curves(alone)
    for name, curve in mixed.store.curves(beside).items():
        assert "seconds" in name or curve.tobytes() == curves[name].tobytes(), name


def test_the_summary_lists_failures_with_their_reasons(mixed: Mixed) -> None:
    assert mixed.report("killed").detail.startswith("its process was killed by SIGKILL")
    assert "nowhere does not exist" in mixed.report("failed").detail
    counts, diverged, *failures = mixed.sweep.summary().splitlines()
    assert {*counts.split(", ")} == {"2 failed", "1 diverged", "2 trained", "1 already done"}
    assert diverged.startswith(f"  diverged: {run_label(mixed.fates['diverged'])}: diverged at step ")
    assert len(failures) == 2 and all(run_label(mixed.fates["killed"]) in line or "image" in line for line in failures)


def test_the_death_of_a_worker_is_logged_in_its_runs_log(mixed: Mixed) -> None:
    log = mixed.store.directory(run_name(mixed.fates["killed"])) / "run.log"
    started, died = log.read_text().splitlines()
    assert started.endswith("starts on cpu") and "killed by SIGKILL" in died


def test_a_killed_run_can_be_claimed_again(mixed: Mixed) -> None:
    assert owner(mixed.fates["killed"]) is None
    with mixed.store.claim(run_name(mixed.fates["killed"])) as mine:
        assert mine


def test_ctrl_c_in_a_terminal_checkpoints_every_worker(tiny: Make, handlers_restored: None) -> None:
    """The terminal sends SIGINT to the sweep and to its workers alike."""
    configs = [tiny({"seed": seed, "training.epochs": 2000}) for seed in range(3)]

    def running() -> list[int]:
        return [pid for pid in map(owner, configs) if pid is not None and answers_sigterm(pid)]

    def interrupt() -> None:
        for pid in [*until(lambda: running() if len(running()) == 2 else []), os.getpid()]:
            os.kill(pid, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    done = sweep(configs, jobs=2)
    thread.join()
    assert done.interrupted and [report.ending for report in done.reports] == ["interrupted"] * 2
    assert all("SIGUSR1" in report.detail and "run the same command again" in report.detail for report in done.reports)
    store = Store(configs[0].results_dir)
    assert store.records() == {}
    steps = [trainer_of(config, store.directory(run_name(config)) / "checkpoint.pt").steps_taken for config in configs]
    assert sorted(step > 0 for step in steps) == [False, True, True]


def test_a_closed_terminal_checkpoints_every_worker_and_under_nohup_they_finish(
    tiny: Make, handlers_restored: None
) -> None:
    """SIGHUP reaches the sweep and its workers alike; under nohup they ignore it."""
    configs = [tiny({"seed": seed, "training.epochs": 150, "training.evaluate_every": 150}) for seed in range(2)]

    def hang_up() -> None:
        pids = until(lambda: [pid for pid in map(owner, configs) if pid is not None and answers_sigterm(pid)])
        for pid in [*pids, os.getpid()]:
            os.kill(pid, signal.SIGHUP)

    def swept() -> list[str]:
        thread = threading.Thread(target=hang_up)
        thread.start()
        done = sweep(configs, jobs=1)
        thread.join()
        assert done.interrupted == (None if nohup else signal.SIGHUP)
        return [report.ending for report in done.reports]

    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        nohup = False
        assert set(swept()) == {"interrupted"}
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        nohup = True
        assert swept() == ["trained", "trained"]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("death", "said"), [(dying.by_signal, "killed by SIGKILL"), (dying.by_exit, "exit code 3")])
def test_workers_that_die_before_reading_their_task_cost_only_their_run(
    death: Callable[..., None],
    said: str,
    tiny: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    handlers_restored: None,
) -> None:
    monkeypatch.setattr(worker_module, "work", death)
    configs = [tiny({"seed": seed}) for seed in range(3)]
    with caplog.at_level(logging.INFO):
        done = sweep(configs, jobs=2)
    assert [report.ending for report in done.reports] == ["failed"] * 3
    assert all(said in report.detail for report in done.reports)
    assert {report.label for report in done.reports} == {run_label(config) for config in configs}
    assert "[3/3]" in caplog.text and not Path(configs[0].results_dir).exists()


def test_a_stopped_sweep_hands_out_no_run_that_it_had_put_aside(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, handlers_restored: None
) -> None:
    """Not even while a worker is still saving; the run put aside is reported as not waited for."""
    monkeypatch.setattr(worker_module, "work", dying.slow_to_stop)
    monkeypatch.setattr(sweep_module, "LOOK_AGAIN", 0.0)
    done = sweep([tiny({"seed": seed}) for seed in range(2)], jobs=2)
    assert done.interrupted == signal.SIGTERM
    assert [(each.ending, each.detail) for each in done.reports] == [
        ("interrupted", "0 more"),
        ("busy elsewhere", "not waited for"),
    ]


def test_an_empty_sweep_has_nothing_to_do() -> None:
    done = sweep([], jobs=2)
    assert done == Sweep() and done.summary() == "nothing to do"
