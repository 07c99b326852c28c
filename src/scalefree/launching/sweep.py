"""Many runs on all cores of one machine, or several at once on its GPU.

The parent hands out runs, longest first unless told otherwise, and only listens; whatever a worker does to itself costs
its run alone. A worker that is killed outright is replaced, and its run reported as failed. Runs that are done are
skipped and partial ones go on from their checkpoints, because `run` does both; two sweeps may share a store: what the
other one trains is waited for at the end, and taken over if it dies.
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

# Seconds between two looks at a run that another sweep trains.
LOOK_AGAIN = 5.0
# Any of these stops a sweep unless whoever started it has it ignored, as nohup does with SIGHUP, a closed terminal's
# signal; SIGUSR2 is a batch system's warning.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


def expected_cost(config: RunConfig) -> float:
    """Proportional to a run's time, roughly: enough to start the long ones first."""
    batch_norm = 1.4 if config.model.batch_norm else 1.0
    return work(config) * batch_norm


class _Crew:
    """The workers of a sweep and what is left for them to do."""

    def __init__(self, configs: Sequence[RunConfig], jobs: int, longest_first: bool) -> None:
        # Handed out from its end.
        self.pending = sorted(configs, key=expected_cost) if longest_first else list(reversed(configs))
        self.jobs = jobs
        self.workers: list[Worker] = []
        # Names of the runs that went on from a checkpoint.
        self.resumed: set[str] = set()
        # Runs that another sweep trains, and when to look at them again.
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
        """A signal handler. It only takes note, because it may interrupt anything; `answer_requests` acts."""
        self.impatient = self.stopped_by is not None and number == signal.SIGINT
        self.stopped_by = self.stopped_by or signal.Signals(number)

    def answer_requests(self) -> None:
        """After a signal, hand out nothing more and ask the workers to checkpoint and end; after Ctrl-C twice, kill."""
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
        """Note whether a run that is about to begin goes on from a checkpoint: its time is not that of a whole run."""
        name = run_name(config)
        if Store(config.results_dir).checkpoint(name).exists():
            self.resumed.add(name)

    def resumes(self, config: RunConfig) -> bool:
        """Whether a run went on from a checkpoint."""
        return run_name(config) in self.resumed

    def wait_for_others(self, config: RunConfig) -> None:
        """Another sweep trains this run: look again when nothing else is left to do."""
        if not self.elsewhere:
            log.info(f"{run_label(config)} is being trained elsewhere; waiting for it after all others")
        self.elsewhere.append(config)
        self.look_again = time.monotonic() + LOOK_AGAIN

    def hand_out(self) -> None:
        """Give every idle worker the next pending run, starting workers as long as that is useful."""
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
                # One that has died since then is noticed when its report is due.
                with contextlib.suppress(OSError):
                    worker.pipe.send(worker.config)

    def collect(self) -> list[tuple[RunConfig, Report]]:
        """Wait a moment for workers to report or to die; what they reported, and for the dead what became of them."""
        collected = []
        by_pipe = {worker.pipe: worker for worker in self.busy}
        if not by_pipe:
            time.sleep(0.2)  # all that is left is trained elsewhere
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
        """The report of a run whose worker ended without one, also written to the run's log."""
        worker.process.join()
        config = worker.config
        assert config is not None
        code = worker.process.exitcode or 0
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        ending: Ending = "failed" if self.stopped_by is None else "interrupted"
        guess = " (out of memory?)" if self.stopped_by is None else ""
        detail = f"its process was {how}{guess}; the same command tries again"
        store, name = Store(config.results_dir), run_name(config)
        if store.directory(name).exists():  # an image folder's run has a name that only its worker knew
            store.note(name, detail)
        return Report(run_label(config), ending, detail, time.perf_counter() - worker.started)

    def dismiss(self) -> None:
        """Send the idle workers home and wait for them."""
        for worker in self.workers:
            with contextlib.suppress(OSError):
                worker.pipe.send(None)
            worker.process.join()


def sweep(configs: Sequence[RunConfig], jobs: int, longest_first: bool = True) -> Sweep:
    """Train the runs, `jobs` at a time, one thread each; logs a line a run and returns all reports.

    They begin in the order given, or the longest first.

    On SIGINT, SIGTERM, SIGHUP or SIGUSR2 the workers checkpoint and end, and the reports so far are returned,
    `interrupted` naming the signal.
    """
    # Before the workers start: their numerical libraries read it when they are imported.
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
