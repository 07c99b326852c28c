"""The training loop: steps, then an evaluation, epoch by epoch, from wherever the run stands."""

import functools
import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from scalefree.interruption import Interrupted, InterruptionRequest
from scalefree.optim.schedules import SCHEDULES, set_eta
from scalefree.records import Outcome
from scalefree.tracking import Tracker
from scalefree.training import checkpoint
from scalefree.training.checkpoint import Progress
from scalefree.training.device import synchronize
from scalefree.training.environment import environment
from scalefree.training.evaluation import evaluate_all
from scalefree.training.fast.captured import captured_steps
from scalefree.training.measured import before_step, measured
from scalefree.training.step import take_step
from scalefree.training.task import Task

# A killed run loses at most this much work.
CHECKPOINT_SECONDS = 120.0
log = logging.getLogger(__name__)

Report = Callable[[int, dict[str, float]], None]


def steps(task: Task, epoch: int, start_step: int) -> Iterator[Tensor]:
    """The steps of one epoch from `start_step` on: takes one, yields its loss, times the multiplier."""
    task.model.train()
    for inputs, labels in task.batches.epoch(epoch, start_step):
        yield take_step(task, inputs, labels)


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
        self.steps = captured_steps(task) or functools.partial(steps, task)
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
        for epoch in range(1, self.progress.epoch + 1):
            self.tracker.log_epoch(*self.progress.row(epoch))
        with InterruptionRequest() as self.interruption:
            while self.progress.epoch < config.training.epochs:
                eta = SCHEDULES[config.schedule.name](self.progress.epoch, config.training.epochs)
                set_eta(self.task.optimizer, eta)
                self._train_epoch(eta)
                outcome = self._end_epoch(eta)
                if outcome is not None:
                    return outcome
        return Outcome("completed", self.steps_taken, self.progress.not_finite.describe())

    def _train_epoch(self, eta: float) -> None:
        progress = self.progress
        self.steps_since = time.perf_counter()
        before = before_step(self.task) if self._measures() else None
        for loss in self.steps(progress.epoch, progress.step):
            progress.losses[progress.step] = loss
            progress.step += 1
            if progress.step == 1 and self._measures():
                self._count_seconds()
                progress.add_measured(progress.epoch + 1, self.steps_taken, measured(self.task, eta, before))
                self.steps_since = time.perf_counter()
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

    @property
    def _in_last_epoch(self) -> bool:
        return self.progress.epoch + 1 == self.task.config.training.epochs

    def _measures(self) -> bool:
        """Whether the first step of the epoch under way, a full batch as in the authors' histograms, is measured."""
        return self._in_last_epoch or self.progress.epoch + 1 in self.task.config.training.histogram_epochs

    def _diverged(self, why: str) -> Outcome:
        """Divergence at the first step whose loss was not finite, or else at the last one."""
        self.progress.drop_measured_after(self.progress.epoch)
        not_finite = self.progress.not_finite
        reason = "; ".join(filter(None, (why, not_finite.describe())))
        return Outcome("diverged", not_finite.first or self.steps_taken, reason)

    def _end_epoch(self, eta: float) -> Outcome | None:
        """Evaluate and log the epoch that is complete; the outcome if it diverged.

        As in the authors' code a run has diverged when its *final* training loss is not a number. Weights that are not
        finite never become so again, so such a run ends here; one that meets a passing infinite loss does not.
        """
        progress, config = self.progress, self.task.config
        losses = progress.losses.tolist()
        progress.not_finite.add(progress.epoch * len(losses), losses)
        if not all(bool(torch.isfinite(p).all()) for p in self.task.optimized()):
            return self._diverged("weights are not finite")

        last = self._in_last_epoch
        epoch = progress.epoch + 1
        metrics = {"batch_loss": sum(losses) / len(losses), "eta": eta, "training_seconds": progress.training_seconds}
        if last or epoch % config.training.evaluate_every == 0:
            started = time.perf_counter()
            metrics |= evaluate_all(self.task, progress.epoch, self._pause)
            metrics["evaluation_seconds"] = time.perf_counter() - started
            if last and math.isnan(metrics["augmented_train_loss"]):
                return self._diverged("the final training loss is not a number")
        # Not before: a run that is interrupted while it evaluates resumes with all steps taken, and evaluates again.
        progress.epoch, progress.step, progress.training_seconds = epoch, 0, 0.0
        self._append(metrics)
        self.tracker.log_epoch(*progress.row(epoch))
        self.report(epoch, metrics)
        return None
