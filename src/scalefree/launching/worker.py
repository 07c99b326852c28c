"""A worker process of a sweep, which receives configurations, trains them one by one, and reports."""

import contextlib
import ctypes
import logging
import multiprocessing
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from scalefree.config import RunConfig
from scalefree.interruption import Interrupted
from scalefree.launching.reports import Ending, Report
from scalefree.records import describe_outcome, run_label
from scalefree.terminal import shown

# How the parent asks a worker to save a checkpoint and end. Nobody else sends it: a batch system's SIGTERM to all
# processes of a job is a different signal, so neither request cuts short the save that the other one started.
STOP = signal.SIGUSR1


@dataclass
class Worker:
    """A process, the parent's end of its pipe, and what it is training now."""

    process: BaseProcess
    pipe: Connection
    config: RunConfig | None = None
    started: float = 0.0


def train_one(config: RunConfig) -> Report:
    """Train a run and report how it ended."""
    from scalefree.training import RunBusy, run  # torch, in workers only

    started = time.perf_counter()
    ending: Ending
    try:
        finished = run(config)
    except RunBusy as error:
        ending, detail = "busy elsewhere", str(error)
    except Interrupted as error:
        ending, detail = "interrupted", f"by {error}; run the same command again to resume from its checkpoint"
    except Exception as error:  # one run's failure must not affect the others
        ending, detail = "failed", shown(f"{type(error).__name__}: {error}")
    else:
        detail = describe_outcome(finished.record)
        if not finished.trained:
            ending = "already done"
        else:
            ending = "diverged" if finished.record.outcome.status == "diverged" else "trained"
    return Report(run_label(config), ending, detail, time.perf_counter() - started)


def _lost_its_device() -> bool:
    """Whether CUDA will fail for the rest of this process, as it does after a kernel's illegal access."""
    import torch

    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def _stop_with_parent() -> None:
    """Have the kernel ask this process to stop if its parent dies (Linux only; elsewhere training continues)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(set_parent_death_signal, int(STOP))


def work(pipe: Connection) -> None:
    """The worker's loop: receive a configuration, train it, send the report; None ends it."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # Ctrl-C in a terminal reaches every process at once; the parent handles it and asks each worker once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _stop_with_parent()
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, OSError):  # the parent has ended
        while (config := pipe.recv()) is not None:
            report = train_one(config)
            if report.ending == "failed" and _lost_its_device():
                sys.exit(
                    1
                )  # without a report, because every further run would fail here; the parent starts another worker
            pipe.send(report)
            if report.ending == "interrupted":
                return


def start_worker() -> Worker:
    """A new process that waits for its first configuration."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    # Daemons get a SIGTERM when the parent ends, so none outlives an error in it.
    process = context.Process(target=work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)
