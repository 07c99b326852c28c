"""Inside a training process: points at which it may be killed, counted and logged in a journal.

The points are steps and evaluations (in the forward pass), and every call that changes a file below RESULTS:
in the middle of its writing, before its flush, before and after its renaming, and before its removal. The
journal has one line of fixed length per point, so a process knows its point's number from where the line ended,
across all processes that share the journal, and the chosen point is the same on any machine.
"""

import io
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from scalefree import files
from scalefree.config import RunConfig
from scalefree.launching import sweep as sweep_module
from scalefree.models.resnet import ResNet
from scalefree.tracking import wandb_tracker
from scalefree.training import run, trainer

LINE = 64
# On the trainer's clock a step takes 50 seconds, so a checkpoint is due after every third.
SECONDS_PER_STEP = 50.0
STEPS_PER_CHECKPOINT = 3


class Journal:
    """A log of what happened below `root`; kills the process group at point number `deadly` (0: never)."""

    def __init__(self, path: Path, root: str, deadly: int) -> None:
        self.path = path
        self.root = root
        self.deadly = deadly
        self.opened: tuple[int, int] | None = None
        self.steps = 0

    def happened(self, point: str, what: str = "") -> None:
        if self.opened is None or self.opened[0] != os.getpid():
            self.opened = (os.getpid(), os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
        descriptor = self.opened[1]
        os.write(descriptor, f"{os.getpid()} {point} {what}".ljust(LINE - 1).encode() + b"\n")
        if os.lseek(descriptor, 0, os.SEEK_CUR) == self.deadly * LINE:
            os.killpg(0, signal.SIGKILL)
            signal.pause()

    def file(self, point: str, path: str | os.PathLike[str]) -> None:
        """A point at a run's file, named without the random part of unfinished ones; locks and others do not count.

        A lock's owner writes to it from time to time, which would make the numbers depend on the time.
        """
        if os.fspath(path).startswith(os.path.join(self.root, "runs")):
            name = os.path.basename(path)
            self.happened(point, ".".join(name.split(".")[1:3]) if name.endswith(".tmp") else name[:24])


class TwoPieces(io.BufferedWriter):
    """A file whose first write reaches the disk in two pieces."""

    def __init__(self, descriptor: int, journal: Journal) -> None:
        self.path = os.readlink(f"/proc/self/fd/{descriptor}")
        self.journal: Journal | None = journal
        super().__init__(io.FileIO(descriptor, "wb"))

    def write(self, data: Any) -> int:
        journal, self.journal = self.journal, None
        if journal is None:
            return super().write(data)
        content = bytes(data)
        written = super().write(content[: len(content) // 2])
        self.flush()
        journal.file("write", self.path)
        return written + super().write(content[len(content) // 2 :])


class Clock:
    """The time module with a monotonic clock that counts steps."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def monotonic(self) -> float:
        return self.journal.steps * SECONDS_PER_STEP


def install(journal: Journal) -> None:
    """Makes this process, and those forked from it, log every point in the journal."""
    forward, fsync, replace, unlink = ResNet.forward, os.fsync, os.replace, os.unlink

    def journaled_forward(self: ResNet, inputs: torch.Tensor) -> torch.Tensor:
        journal.steps += self.training
        journal.happened("step" if self.training else "evaluation")
        return forward(self, inputs)

    def journaled_fsync(descriptor: int) -> None:
        journal.file("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def journaled_replace(source: str, target: Path) -> None:
        journal.file("replace", target)
        replace(source, target)
        journal.file("replaced", target)

    def journaled_unlink(path: Path, **arguments: Any) -> None:
        journal.file("unlink", path)
        unlink(path, **arguments)

    ResNet.forward = journaled_forward  # type: ignore[method-assign]
    os.fsync, os.replace, os.unlink = journaled_fsync, journaled_replace, journaled_unlink  # type: ignore[assignment]
    files.os = Opening(journal)  # type: ignore[assignment]
    trainer.time = Clock(journal)  # type: ignore[assignment]


class Opening:
    """The os module, for the one place that opens the store's files for writing."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fdopen(self, descriptor: int, mode: str) -> TwoPieces:
        assert mode == "wb"
        return TwoPieces(descriptor, self.journal)


def train(config: RunConfig, journal: Path, deadly: int) -> None:
    """A process that trains one run."""
    os.setsid()
    torch.set_num_threads(1)
    install(Journal(journal, config.results_dir, deadly))
    run(config)


def train_all(configs: Sequence[RunConfig], jobs: int, journal: Path, deadly: int) -> None:
    """A process that trains a sweep; its summary goes beside the journal.

    The workers are forked from here with everything installed, whereas a real sweep starts new interpreters.
    """
    os.setsid()
    torch.set_num_threads(1)
    install(Journal(journal, configs[0].results_dir, deadly))
    sweep_module.LOOK_AGAIN = 0.5
    fork = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method=None: fork  # type: ignore[assignment]
    done = sweep_module.sweep(configs, jobs)
    journal.with_suffix(".summary").write_text("\n".join(f"{r.label} {r.ending}" for r in done.reports))


def train_online(config: RunConfig, server: str, journal: Path, deadly: int) -> None:
    """A process that trains one run with wandb online at `server`; its log goes beside the journal."""
    os.environ |= {"WANDB_BASE_URL": server, "WANDB_API_KEY": "0" * 40}
    logging.basicConfig(filename=journal.with_suffix(".log"), format="%(message)s")
    wandb_tracker.FINISH_TIMEOUT = 3.0
    train(config, journal, deadly)
