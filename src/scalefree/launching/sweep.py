"""Train many runs on all cores of one machine, or several at once on its GPU.

The parent only hands out runs, by default longest first, and listens; a worker that crashes costs only its own run. A
worker that is killed is replaced and its run reported as failed. Finished runs are skipped and partial ones resumed
from their checkpoints, because `run` does both. Two sweeps may share a store: runs that the other one is training are
waited for at the end, and taken over if it dies.
"""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import cast

from scalefree.config import RunConfig
from scalefree.experiments.cost import work
from scalefree.launching.reports import Ending, Report, Sweep
from scalefree.launching.time_left import TimeLeft
from scalefree.launching.worker import STOP, Worker, start_worker
from scalefree.records import Store, run_label, run_name
from scalefree.terminal import duration

log = logging.getLogger(__name__)

# Seconds between two checks of a run that another sweep is training.
LOOK_AGAIN = 5.0
# Each of these stops a sweep unless it was started with the signal ignored, as nohup does with SIGHUP, which a closed
# terminal sends; SIGUSR2 is a batch system's warning.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


def expected_cost(config: RunConfig) -> float:
    """Roughly proportional to a run's time, which is enough to start the long ones first."""
    batch_norm = 1.4 if config.model.batch_norm else 1.0
    return work(config) * batch_norm


class _Crew:
    """The workers of a sweep and the runs left for them."""

    def __init__(self, configs: Sequence[RunConfig], jobs: int, longest_first: bool) -> None:
        # Handed out from the end.
        self.pending = sorted(configs, key=expected_cost) if longest_first else list(reversed(configs))
        self.jobs = jobs
        self.workers: list[Worker] = []
        # Names of the runs that were resumed from a checkpoint.
        self.resumed: set[str] = set()
        # Runs that another sweep is training, and when to check them again.
        self.elsewhere: list[RunConfig] = []
        self.look_again = 0.0
        self.stopped_by: signal.Signals | None = None
        self.impatient = False
        self.asked = False

    @property
    def busy(self) -> list[Worker]:
        """The workers that are training."""
        return [worker for worker in self.workers if worker.config is not None]

    def request_stop(self, number: int, frame: FrameType | None) -> None:
        """A signal handler. It only records the signal, because it may interrupt anything; `answer_requests` acts on
        it.
        """
        self.impatient = self.stopped_by is not None and number == signal.SIGINT
        self.stopped_by = self.stopped_by or signal.Signals(number)

    def answer_requests(self) -> None:
        """After a signal, hand out no more runs and ask the workers to save and end; after a second Ctrl-C, kill
        them.
        """
        if self.stopped_by is None:
            return
        self.pending.clear()
        for worker in self.workers:
            if self.impatient:
                worker.process.kill()
            elif not self.asked and worker.process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.process.pid, STOP)
        self.asked = True

    def note_checkpoint(self, config: RunConfig) -> None:
        """Note whether a run about to start resumes from a checkpoint, since its time is not that of a whole run."""
        name = run_name(config)
        if Store(config.results_dir).checkpoint(name).exists():
            self.resumed.add(name)

    def resumes(self, config: RunConfig) -> bool:
        """Whether a run was resumed from a checkpoint."""
        return run_name(config) in self.resumed

    def wait_for_others(self, config: RunConfig) -> None:
        """Put aside a run that another sweep is training, to check it again when nothing else is left."""
        if not self.elsewhere:
            log.info(f"{run_label(config)} is being trained elsewhere; will wait for it after all other runs")
        self.elsewhere.append(config)
        self.look_again = time.monotonic() + LOOK_AGAIN

    def hand_out(self) -> None:
        """Give every idle worker the next pending run, and start more workers while they are useful; after a signal,
        neither.
        """
        if self.stopped_by is not None:
            return
        if not self.pending and time.monotonic() >= self.look_again:
            self.pending, self.elsewhere = self.elsewhere, []
        self.workers = [worker for worker in self.workers if worker.config is not None or worker.process.is_alive()]
        while self.pending and len(self.workers) < self.jobs and len(self.workers) - len(self.busy) < len(self.pending):
            self.workers.append(start_worker())
        for worker in self.workers:
            if worker.config is None and self.pending:
                worker.config = self.pending.pop()
                worker.started = time.perf_counter()
                self.note_checkpoint(worker.config)
                # If the worker has died since, that is noticed when its report is due.
                with contextlib.suppress(OSError):
                    worker.pipe.send(worker.config)

    def collect(self) -> list[tuple[RunConfig, Report]]:
        """Wait briefly for workers to report or die; returns their reports, including one for each dead worker."""
        collected = []
        by_pipe = {worker.pipe: worker for worker in self.busy}
        if not by_pipe:
            time.sleep(0.2)  # all remaining runs are being trained elsewhere
        for pipe in wait(list(by_pipe), timeout=1.0) if by_pipe else ():
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
        """The report of a run whose worker died without reporting; it is also written to the run's log."""
        worker.process.join()
        config = worker.config
        assert config is not None
        code = worker.process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        ending: Ending = "failed" if self.stopped_by is None else "interrupted"
        guess = " (out of memory?)" if self.stopped_by is None else ""
        detail = f"its process {'was ' if code < 0 else ''}{how}{guess}; run the same command to try again"
        store, name = Store(config.results_dir), run_name(config)
        if store.directory(name).exists():  # only the worker knew the name of an image folder's run
            store.note(name, detail)
        return Report(run_label(config), ending, detail, time.perf_counter() - worker.started)

    def dismiss(self) -> None:
        """Tell the idle workers to end and wait for them."""
        for worker in self.workers:
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
            worker.process.join()


def sweep(configs: Sequence[RunConfig], jobs: int, longest_first: bool = True) -> Sweep:
    """Train the runs, `jobs` at a time, one thread each; logs one line per run and returns all reports.

    They start longest first or in the order given.

    On SIGINT, SIGTERM, SIGHUP or SIGUSR2 the workers save checkpoints and end, and the reports so far are returned,
    with the signal in `interrupted`.
    """
    # Set before the workers start, because their numerical libraries read it when imported.
    os.environ["OMP_NUM_THREADS"] = "1"
    crew = _Crew(configs, jobs, longest_first)
    done = Sweep()
    time_left = TimeLeft(jobs)
    heeded = [number for number in STOPPING if signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, crew.request_stop) for number in heeded}
    try:
        while crew.pending or crew.busy or (crew.elsewhere and crew.stopped_by is None):
            crew.hand_out()
            crew.answer_requests()
            for config, report in crew.collect():
                if report.ending == "busy elsewhere":
                    crew.wait_for_others(config)
                    continue
                done.reports.append(report)
                if report.ending == "trained" and not crew.resumes(config):
                    time_left.pace.add(config, report.seconds)
                left = None if crew.stopped_by else time_left.seconds((*crew.pending, *crew.elsewhere), crew.busy)
                is_last = len(done.reports) == len(configs)
                estimate = "" if left is None or is_last else f"; about {duration(left)} left"
                log.info(
                    f"[{len(done.reports)}/{len(configs)}] {report.label}: {report.ending}, {report.detail} "
                    f"({duration(report.seconds)}{estimate})"
                )
        crew.dismiss()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    done.reports += [Report(run_label(config), "busy elsewhere", "not waited for", 0.0) for config in crew.elsewhere]
    done.interrupted = crew.stopped_by
    return done
