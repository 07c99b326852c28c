"""The training loop: steps, then an evaluation, epoch by epoch, from wherever the run stands."""

import functools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from scalefree.measure import Distribution
from scalefree.optim.schedules import SCHEDULES, set_eta
from scalefree.records import Outcome
from scalefree.tracking import Tracker
from scalefree.training import checkpoint
from scalefree.training.captured import CapturedSteps
from scalefree.training.checkpoint import Progress
from scalefree.training.device import synchronize
from scalefree.training.environment import environment
from scalefree.training.evaluation import evaluate
from scalefree.training.interruption import Interrupted, InterruptionRequest
from scalefree.training.step import take_step
from scalefree.training.task import Task

# A killed run loses at most this much work.
CHECKPOINT_SECONDS = 120.0

Report = Callable[[int, dict[str, float]], None]


def steps(task: Task, epoch: int, start_step: int) -> Iterator[Tensor]:
    """The steps of one epoch from `start_step` on: takes one, yields its loss, times the multiplier."""
    task.model.train()
    for inputs, labels in task.batches.epoch(epoch, start_step):
        yield take_step(task, inputs, labels)


def captures(task: Task) -> bool:
    """Whether a task's steps become graphs: on CUDA, unless runner=plain."""
    return task.device.type == "cuda" and task.flat is not None


def evaluate_all(task: Task, between_batches: Callable[[], None]) -> dict[str, float]:
    """Loss (times the multiplier on the training set, as the authors report it) and error of every split."""
    values = {}
    for name, split in task.dataset.splits.items():
        result = evaluate(task.model, split, task.batches.normalization, task.config.precision, between_batches)
        multiplier = task.config.training.loss_multiplier if name == "train" else 1.0
        values[f"{name}_loss"] = result.loss * multiplier
        values[f"{name}_error"] = result.error
    return values


class Trainer:
    """One run from its checkpoint, or its beginning, to its outcome."""

    def __init__(self, task: Task, identity: str, checkpoint_path: Path, tracker: Tracker, report: Report) -> None:
        """`report` is told of every epoch: its number, counted from 1, and its metrics."""
        self.task = task
        self.identity = identity
        self.checkpoint_path = checkpoint_path
        self.tracker = tracker
        self.report = report
        saved = checkpoint.load(checkpoint_path, identity, task)
        # From here on the optimizer's tensors stay where they are.
        self.steps: Callable[[int, int], Iterator[Tensor]]
        self.steps = CapturedSteps(task) if captures(task) else functools.partial(steps, task)
        self.progress = saved or Progress(losses=torch.zeros(len(task.batches), device=task.device))
        self.progress.begin_session(environment(task))
        self.last_save = time.monotonic()
        self.interruption = InterruptionRequest()
        # When the steps began whose time is not counted yet; None in an evaluation.
        self.steps_since: float | None = None

    @property
    def steps_taken(self) -> int:
        """Optimizer steps since the beginning of the run."""
        return self.progress.epoch * len(self.task.batches) + self.progress.step

    def train(self) -> Outcome:
        """Train to the last epoch or to divergence.

        Raises:
            Interrupted: a signal asked for it; a checkpoint was saved.
            OSError: a checkpoint could not be written.
        """
        config = self.task.config
        # A tracker begins anew with each session, so it is told again what earlier ones measured.
        for row in self.progress.history():
            self.tracker.log_epoch(*row)
        with InterruptionRequest() as self.interruption:
            while self.progress.epoch < config.training.epochs:
                eta = SCHEDULES[config.schedule.name](self.progress.epoch, config.training.epochs)
                set_eta(self.task.optimizer, eta)
                self._train_epoch()
                outcome = self._end_epoch(eta)
                if outcome is not None:
                    return outcome
        return Outcome("completed", self.steps_taken)

    def _train_epoch(self) -> None:
        progress = self.progress
        self.steps_since = time.perf_counter()
        for loss in self.steps(progress.epoch, progress.step):
            progress.losses[progress.step] = loss
            progress.step += 1
            self._pause()
        self._count_seconds()
        self.steps_since = None

    def _pause(self) -> None:
        """Between two steps, or two batches of an evaluation: answer a signal, and save when it is time."""
        requested = self.interruption.requested
        if requested is not None or time.monotonic() - self.last_save > CHECKPOINT_SECONDS:
            self._count_seconds()
            checkpoint.save(self.checkpoint_path, self.identity, self.task, self.progress)
            self.last_save = time.monotonic()
            if self.steps_since is not None:
                self.steps_since = time.perf_counter()
        if requested is not None:
            raise Interrupted(requested)

    def _count_seconds(self) -> None:
        """Add the time of the steps since the last count to the epoch's; evaluations and saves are not part of it."""
        if self.steps_since is not None:
            synchronize(self.task.device)
            self.progress.training_seconds += time.perf_counter() - self.steps_since

    def _append(self, metrics: dict[str, float]) -> None:
        """Add a row to the curves, NaN where this epoch has no value."""
        rows = self.progress.epoch
        for name in dict.fromkeys([*self.progress.curves, *metrics]):
            curve = self.progress.curves.setdefault(name, [math.nan] * (rows - 1))
            curve.append(metrics.get(name, math.nan))

    def _end_epoch(self, eta: float) -> Outcome | None:
        """Evaluate, measure and log the epoch that is complete; the outcome if it diverged."""
        progress, config = self.progress, self.task.config
        losses = progress.losses.tolist()
        first_step = progress.epoch * len(losses) + 1
        for number, loss in enumerate(losses):
            if not math.isfinite(loss):
                return Outcome("diverged", first_step + number, f"training loss {loss}")

        epoch = progress.epoch + 1
        last = epoch == config.training.epochs
        metrics = {"batch_loss": sum(losses) / len(losses), "eta": eta, "training_seconds": progress.training_seconds}
        if last or epoch % config.training.evaluate_every == 0:
            started = time.perf_counter()
            metrics |= evaluate_all(self.task, self._pause)
            metrics["evaluation_seconds"] = time.perf_counter() - started
            if not math.isfinite(metrics["train_loss"]):
                return Outcome("diverged", first_step + len(losses) - 1, f"training loss {metrics['train_loss']}")
        # Not before: a run that is interrupted while it evaluates goes on with all steps taken, and evaluates again.
        progress.epoch, progress.step, progress.training_seconds = epoch, 0, 0.0
        self._append(metrics)
        measured: dict[str, Distribution] = {}
        if last or progress.epoch in config.training.histogram_epochs:
            measured = self.task.measure()
            progress.add_measured(progress.epoch, measured)
        self.tracker.log_epoch(progress.epoch, metrics, measured)
        self.report(progress.epoch, metrics)
        return None
