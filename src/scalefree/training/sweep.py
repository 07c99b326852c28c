"""Many runs on all cores of one machine: worker processes that train one run after another.

The parent hands out runs, longest first, and only listens; whatever a worker does to itself costs its run alone. A
worker that is killed outright is replaced, and its run reported as failed. Runs that are done are skipped and
partial ones go on from their checkpoints, because `run` does both; two sweeps may share a store.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Literal, cast

from scalefree.config import RunConfig
from scalefree.records import run_label

log = logging.getLogger(__name__)

Ending = Literal["trained", "already done", "diverged", "failed", "busy elsewhere", "interrupted"]


@dataclass(frozen=True)
class Report:
    """How one run of a sweep ended: its label, its ending, a few words on it, and the seconds it took."""

    label: str
    ending: Ending
    detail: str
    seconds: float


@dataclass
class Worker:
    """A process, the parent's end of its pipe, and what it is training now."""

    process: BaseProcess
    pipe: Connection
    config: RunConfig | None = None
    started: float = 0.0


@dataclass
class Sweep:
    """The reports of a sweep, in the order in which its runs ended."""

    reports: list[Report] = field(default_factory=list)
    interrupted: bool = False

    def count(self, ending: Ending) -> int:
        return sum(report.ending == ending for report in self.reports)

    @property
    def failed(self) -> list[Report]:
        return [report for report in self.reports if report.ending == "failed"]

    def summary(self) -> str:
        """`41 trained, 2 diverged, 5 already done`, and every failure by name."""
        counts = {report.ending: self.count(report.ending) for report in self.reports}
        lines = [", ".join(f"{count} {ending}" for ending, count in counts.items()) or "nothing to do"]
        lines += [f"  failed: {report.label}: {report.detail}" for report in self.failed]
        return "\n".join(lines)


def expected_cost(config: RunConfig) -> float:
    """Proportional to a run's time, roughly: enough to start the long ones first and to guess the time left."""
    batch_norm = 1.4 if config.model.batch_norm else 1.0
    return config.model.depth * config.training.epochs * batch_norm


def _train_one(config: RunConfig) -> Report:
    from scalefree.training import Interrupted, RunBusy, describe_outcome, run  # torch, in workers only

    started = time.perf_counter()
    ending: Ending
    try:
        finished = run(config)
    except RunBusy as error:
        ending, detail = "busy elsewhere", str(error)
    except Interrupted as error:
        ending, detail = "interrupted", f"by {error}; the same command goes on from its checkpoint"
    except Exception as error:  # one run's failure is never another's
        ending, detail = "failed", f"{type(error).__name__}: {error}"
    else:
        detail = describe_outcome(finished.record)
        if not finished.trained:
            ending = "already done"
        else:
            ending = "diverged" if finished.record.outcome.status == "diverged" else "trained"
    return Report(run_label(config), ending, detail, time.perf_counter() - started)


def _work(pipe: Connection) -> None:
    """A worker's life: receive a configuration, train it, send the report; None means go home."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # A terminal's Ctrl-C reaches every process at once; the parent answers it and sends each worker one SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        while (config := pipe.recv()) is not None:
            report = _train_one(config)
            pipe.send(report)
            if report.ending == "interrupted":
                return


def _start_worker() -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    # Daemons get a SIGTERM when the parent ends, so that none outlives an error in it.
    process = context.Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


class _Crew:
    """The workers of a sweep and what is left for them to do."""

    def __init__(self, configs: Sequence[RunConfig], jobs: int) -> None:
        self.pending = sorted(configs, key=expected_cost)
        self.jobs = jobs
        self.workers: list[Worker] = []
        self.requests_to_stop = 0
        self.answered = 0

    @property
    def busy(self) -> list[Worker]:
        """The workers that are training."""
        return [worker for worker in self.workers if worker.config is not None]

    @property
    def stopping(self) -> bool:
        """True once a signal has come."""
        return self.requests_to_stop > 0

    def request_stop(self, number: int, frame: FrameType | None) -> None:
        """A signal handler. It only counts, because it may interrupt anything; `answer_requests` acts."""
        self.requests_to_stop += 1

    def answer_requests(self) -> None:
        """For each signal that came, hand out nothing more and send the workers a SIGTERM.

        The first lets them checkpoint and end, a second one ends them at once.
        """
        if self.answered < self.requests_to_stop:
            self.answered += 1
            self.pending.clear()
            for worker in self.workers:
                worker.process.terminate()

    def hand_out(self) -> None:
        """Give every idle worker the longest pending run, starting workers as long as that is useful."""
        self.workers = [worker for worker in self.workers if worker.config is not None or worker.process.is_alive()]
        while self.pending and len(self.workers) < self.jobs and len(self.workers) - len(self.busy) < len(self.pending):
            self.workers.append(_start_worker())
        for worker in self.workers:
            if worker.config is None and self.pending:
                worker.config = self.pending.pop()
                worker.started = time.perf_counter()
                # One that has died since then is noticed when its report is due.
                with contextlib.suppress(OSError):
                    worker.pipe.send(worker.config)

    def collect(self) -> list[tuple[RunConfig, Report]]:
        """Wait a moment for workers to report or to die; what they reported, and for the dead what became of them."""
        collected = []
        by_pipe = {worker.pipe: worker for worker in self.busy}
        for pipe in wait(list(by_pipe), timeout=1.0):
            worker = by_pipe[cast(Connection, pipe)]
            assert worker.config is not None
            try:
                report = worker.pipe.recv()
            except (EOFError, OSError):
                report = self._died(worker)
            collected.append((worker.config, report))
            worker.config = None
            if report.ending == "interrupted" or not worker.process.is_alive():
                worker.process.join()
                self.workers.remove(worker)
        return collected

    def _died(self, worker: Worker) -> Report:
        """The report of a run whose worker ended without one."""
        worker.process.join()
        assert worker.config is not None
        code = worker.process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        ending: Ending = "interrupted" if self.stopping else "failed"
        guess = "" if self.stopping else " (out of memory?)"
        detail = f"its process was {how}{guess}; the same command tries again"
        return Report(run_label(worker.config), ending, detail, time.perf_counter() - worker.started)

    def dismiss(self) -> None:
        """Send the idle workers home and wait for them."""
        for worker in self.workers:
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
            worker.process.join()


def sweep(configs: Sequence[RunConfig], jobs: int) -> Sweep:
    """Train the runs, `jobs` at a time, one thread each; logs a line a run and returns all reports.

    On SIGINT or SIGTERM the workers checkpoint and end, and the reports so far are returned.
    """
    # Before the workers start: their numerical libraries read it when they are imported.
    os.environ["OMP_NUM_THREADS"] = "1"
    crew = _Crew(configs, jobs)
    done = Sweep()
    total = sum(map(expected_cost, configs))
    cost = 0.0
    began = time.perf_counter()
    previous = {number: signal.signal(number, crew.request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while crew.pending or crew.busy:
            crew.hand_out()
            crew.answer_requests()
            for config, report in crew.collect():
                done.reports.append(report)
                cost += expected_cost(config)
                left = (time.perf_counter() - began) * (total - cost) / cost
                log.info(
                    f"[{len(done.reports)}/{len(configs)}] {report.label}: {report.ending}, {report.detail} "
                    f"({report.seconds:.0f} s; about {left:.0f} s left)"
                )
        crew.dismiss()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    done.interrupted = crew.stopping
    return done
