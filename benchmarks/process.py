"""A process that holds one stage ready and measures it when asked: stages can take turns, and none inherits state."""

import multiprocessing
import os
import resource
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from benchmarks.stages import Stage, prepare


@dataclass(frozen=True)
class Subject:
    """What a process measures: a stage on the images of a folder, on a core of its own if the device is a CPU."""

    stage: Stage
    folder: Path
    depth: int
    batch_size: int
    device: str
    core: int = 0


def _peak_of_process() -> int:
    """Bytes; Linux counts them from this program's start, getrusage from its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _serve(subject: Subject, pipe: Connection) -> None:
    device = torch.device(subject.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
        if hasattr(os, "sched_setaffinity"):  # the loader's worker inherits it
            allowed = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, {allowed[subject.core % len(allowed)]})
    measure, _ = prepare(subject.stage, subject.folder, subject.depth, subject.batch_size, device)
    pipe.send(None)
    while (count := pipe.recv()) is not None:
        pipe.send(measure(count))
    if device.type == "cuda":
        pipe.send(torch.cuda.max_memory_reserved(device))
    else:
        pipe.send(_peak_of_process())


class Measured:
    """A subject in its process, once `ready`. Ask, then answer, so that several can work at once."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        self.process = multiprocessing.get_context("spawn").Process(target=_serve, args=(subject, theirs))
        self.process.start()
        theirs.close()
        self.steps = 0

    def ready(self) -> "Measured":
        """Wait until the warm-up ends.

        Raises:
            EOFError: the process died; its own message is on stderr.
        """
        self.pipe.recv()
        return self

    def ask(self, steps: int) -> None:
        """Request some steps."""
        self.steps = steps
        self.pipe.send(steps)

    def answer(self) -> float:
        """Images per second of the last request."""
        seconds: float = self.pipe.recv()
        return self.steps * self.subject.batch_size / seconds

    def close(self) -> int:
        """End the process; returns its peak memory in bytes: on the device, or of the process if that is the CPU."""
        self.pipe.send(None)
        peak: int = self.pipe.recv()
        self.process.join()
        return peak
