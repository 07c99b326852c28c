"""The training loop: steps and an evaluation per epoch, from wherever the run has got to."""

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

# A killed run loses at most about this much work.
CHECKPOINT_SECONDS = 120.0
log = logging.getLogger(__name__)

Report = Callable[[int, dict[str, float]], None]


def steps(task: Task, epoch: int, start_step: int) -> Iterator[Tensor]:
    """Take the steps of one epoch from `start_step`; yields each step's loss, times the multiplier."""
    task.model.train()
    for inputs, labels in task.batches.epoch(epoch, start_step):
        yield take_step(task, inputs, labels)


class Trainer:
    """Trains one run from its checkpoint, or its beginning, to its outcome."""

    def __init__(self, task: Task, identity: str, checkpoint_path: Path, tracker: Tracker, report: Report) -> None:
        """`report` is called with every epoch's number, counted from 1, and metrics."""
        self.task = task
        self.identity = identity
        self.checkpoint_path = checkpoint_path
        self.tracker = tracker
        self.report = report
        saved = checkpoint.load(checkpoint_path, identity, task)
        # From here on the optimizer's tensors must not be replaced.
        self.steps = captured_steps(task) or functools.partial(steps, task)
        self.progress = saved or Progress(losses=torch.zeros(len(task.batches), device=task.device))
        self.progress.begin_session(environment(task))
        self.last_save = time.monotonic()
        self.interruption = InterruptionRequest()
        # The start of the steps whose time has not been counted yet; None during an evaluation.
        self.steps_since: float | None = None

    @property
    def steps_taken(self) -> int:
        """Number of optimizer steps since the beginning of the run."""
        return self.progress.epoch * len(self.task.batches) + self.progress.step

    def train(self) -> Outcome:
        """Train to the last epoch or to divergence.

        Raises:
            Interrupted: a signal asked to stop; a checkpoint was saved.
            OSError: a checkpoint could not be written.
        """
        config = self.task.config
        # A tracker starts from scratch in each session, so the earlier epochs are repeated for it.
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
        """Between two steps, or two batches of an evaluation, respond to a signal and save if it is time."""
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
        """Add the time of the steps since the last count to the epoch's, without evaluations and saves."""
        if self.steps_since is not None:
            synchronize(self.task.device)
            self.progress.training_seconds += time.perf_counter() - self.steps_since

    def _append(self, metrics: dict[str, float]) -> None:
        """Add a row to the curves, with NaN if this epoch has no value."""
        rows = self.progress.epoch
        for name in dict.fromkeys([*self.progress.curves, *metrics]):
            curve = self.progress.curves.setdefault(name, [math.nan] * (rows - 1))
            curve.append(metrics.get(name, math.nan))

    @property
    def _in_last_epoch(self) -> bool:
        return self.progress.epoch + 1 == self.task.config.training.epochs

    def _measures(self) -> bool:
        """Whether the current epoch's first step is measured, which has a full batch as in the authors' histograms."""
        return self._in_last_epoch or self.progress.epoch + 1 in self.task.config.training.histogram_epochs

    def _diverged(self, why: str) -> Outcome:
        """Divergence at the first step whose loss was not finite, otherwise at the last step."""
        self.progress.drop_measured_after(self.progress.epoch)
        not_finite = self.progress.not_finite
        reason = "; ".join(filter(None, (why, not_finite.describe())))
        return Outcome("diverged", not_finite.first or self.steps_taken, reason)

    def _end_epoch(self, eta: float) -> Outcome | None:
        """Evaluate and log the completed epoch; returns the outcome if the run diverged.

        As in the authors' code, a run has diverged if its *final* training loss is not a number. Weights that are not
        finite never become finite again, so such a run ends here; one with a temporarily infinite loss does not.
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
        # Only now: a run that is interrupted during an evaluation resumes with all steps taken and evaluates again.
        progress.epoch, progress.step, progress.training_seconds = epoch, 0, 0.0
        self._append(metrics)
        self.tracker.log_epoch(*progress.row(epoch))
        self.report(epoch, metrics)
        return None
