"""A run's state between two steps on disk: one file, complete or absent, loaded without pickle."""

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from scalefree.files import atomic_write
from scalefree.measure import Distribution
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.schedules import SCHEDULES, set_eta
from scalefree.records.environment import build_of
from scalefree.training import any_torch
from scalefree.training.task import Task

# Increase this when the content or the order of the flat vector changes.
CHECKPOINT_FORMAT = 4
# The entries of a torch optimizer's groups that are determined by configuration and schedule alone.
CONFIGURED = ("lr", "initial_lr", "weight_decay")
KEYS = {"format", "identity", "flat", "model", "optimizer", "loss_second_moment", "progress"}


class CheckpointError(ValueError):
    """A checkpoint is damaged or belongs to something else; the message says which file and what to do."""


@dataclass
class NotFinite:
    """The steps of a run whose training loss was not finite.

    Attributes:
        steps: their number; the other attributes have no meaning while it is 0.
        first, last: the first and the last of them, counted from 1.
        loss: the first one's loss.
    """

    steps: int = 0
    first: int = 0
    last: int = 0
    loss: float = math.nan

    def add(self, before: int, losses: list[float]) -> None:
        """Add an epoch's losses; `before` is the number of steps taken before it.

        Steps that were added before are left out: a run that is interrupted during an epoch's evaluation ends the epoch
        twice.
        """
        found = [
            (step, loss) for step, loss in enumerate(losses, before + 1) if step > self.last and not math.isfinite(loss)
        ]
        if found and not self.steps:
            self.first, self.loss = found[0]
        if found:
            self.last, _ = found[-1]
            self.steps += len(found)

    def describe(self) -> str:
        """A description for an outcome; empty if there are none."""
        if not self.steps:
            return ""
        others = f" and not finite at {self.steps - 1} later ones, the last {self.last}" if self.steps > 1 else ""
        return f"the training loss was {self.loss} at step {self.first}{others}"


@dataclass
class Progress:
    """How far a run has come, and what it has measured so far.

    Attributes:
        epoch: epochs completed.
        step: steps taken in the current epoch.
        losses: (steps per epoch,) training losses of the current epoch, on the device.
        curves: one value per epoch, by name.
        histogram_epochs: the epochs (counted from 1) in which distributions were measured.
        histogram_steps: the steps after which they were measured.
        counts: by `<quantity>/<layer group>`, one histogram per measured epoch.
        scalars: the distributions' scalars, likewise.
        training_seconds: time spent in the current epoch, so that a resumed run's times add up.
        sessions: the environments in which the run was trained, a new one whenever the build changed; the last is
            current.
    """

    losses: Tensor
    epoch: int = 0
    step: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)
    histogram_epochs: list[int] = field(default_factory=list)
    histogram_steps: list[int] = field(default_factory=list)
    counts: dict[str, list[list[int]]] = field(default_factory=dict)
    scalars: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    training_seconds: float = 0.0
    not_finite: NotFinite = field(default_factory=NotFinite)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def begin_session(self, environment: dict[str, Any]) -> None:
        """Record the environment in which the run continues."""
        if self.sessions and build_of(self.sessions[-1]) == build_of(environment):
            del self.sessions[-1]
        self.sessions.append(environment)

    def scalars_of(self, quantity: str) -> dict[str, list[dict[str, float]]]:
        """A quantity's scalars by layer group, one row per measured epoch."""
        prefix = f"{quantity}/"
        return {key.removeprefix(prefix): rows for key, rows in self.scalars.items() if key.startswith(prefix)}

    def last_scalars(self, quantity: str) -> dict[str, dict[str, float]]:
        """A quantity's last measured scalars by layer group."""
        return {group: rows[-1] for group, rows in self.scalars_of(quantity).items()}

    def add_measured(self, epoch: int, step: int, measured: dict[str, Distribution]) -> None:
        """Add what was measured in an epoch after a step, by `<quantity>/<layer group>`."""
        self.histogram_epochs.append(epoch)
        self.histogram_steps.append(step)
        for key, distribution in measured.items():
            self.counts.setdefault(key, []).append(distribution.counts.tolist())
            self.scalars.setdefault(key, []).append(distribution.scalars)

    def drop_measured_after(self, epoch: int) -> None:
        """Drop what was measured in an epoch that was not completed."""
        kept = sum(measured <= epoch for measured in self.histogram_epochs)
        self.histogram_epochs = self.histogram_epochs[:kept]
        self.histogram_steps = self.histogram_steps[:kept]
        self.counts = {key: rows[:kept] for key, rows in self.counts.items() if kept}
        self.scalars = {key: rows[:kept] for key, rows in self.scalars.items() if kept}

    def row(self, epoch: int) -> tuple[int, dict[str, float], dict[str, Distribution]]:
        """An epoch: its number, its metrics, and its distributions if they were measured."""
        values = {name: curve[epoch - 1] for name, curve in self.curves.items()}
        metrics = {name: value for name, value in values.items() if not math.isnan(value)}
        if epoch not in self.histogram_epochs:
            return epoch, metrics, {}
        at = self.histogram_epochs.index(epoch)
        metrics["measured_at_step"] = self.histogram_steps[at]
        measured = {
            key: Distribution(np.array(rows[at], dtype=np.int64), self.scalars[key][at])
            for key, rows in self.counts.items()
        }
        return epoch, metrics, measured


def save(path: Path, identity: str, task: Task, progress: Progress) -> None:
    """Replace the checkpoint at `path`.

    Raises:
        OSError: the disk is full or the directory read-only; the old checkpoint then still exists.
    """
    content = {
        "format": CHECKPOINT_FORMAT,
        "identity": identity,
        "flat": None if task.fast.layout is None else str(task.fast.layout),
        "model": task.model.state_dict(),
        "optimizer": task.optimizer.state_dict(),
        "loss_second_moment": [] if task.loss_second_moment is None else task.loss_second_moment.u,
        "progress": {**vars(progress), "not_finite": vars(progress.not_finite)},
    }
    # Built in memory first: on a full disk torch itself would only report a wrong file position.
    archive = io.BytesIO()
    torch.save(content, archive)
    with atomic_write(path) as file:
        file.write(archive.getbuffer())


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    advice = "remove it to train this run from the beginning"
    try:
        # torch writes a zip archive with checksums but does not check them, so a flipped bit would become a weight.
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"wrong checksum of {damaged}")
        content = torch.load(path, map_location=device, weights_only=True)
    except (
        Exception
    ) as error:  # torch and zipfile raise a dozen kinds for damaged files, all with the same meaning here
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is not a readable checkpoint ({reason}); {advice}") from None
    if not isinstance(content, dict) or content.get("format") != CHECKPOINT_FORMAT or KEYS - content.keys():
        raise CheckpointError(f"{path} is not a checkpoint of this version; {advice}")
    return content


def _plain(value: Any) -> Any:
    """A hyperparameter as plain values: in captured steps some are tensors, and files have lists instead of tuples."""
    if isinstance(value, Tensor):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _configured(optimizer: Optimizer, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the configuration determines in each parameter group; optimizers that are not ours may keep state there."""
    ours = isinstance(optimizer, AdamFamily)
    return [{k: v for k, v in group.items() if (k != "params" if ours else k in CONFIGURED)} for group in groups]


def _check_progress(progress: Progress, task: Task) -> None:
    """Raises ValueError if no run of this configuration can have reached this state."""
    steps, epochs = len(task.batches), task.config.training.epochs
    if not (0 <= progress.epoch < epochs and 0 <= progress.step <= steps):
        raise ValueError(f"epoch {progress.epoch}, step {progress.step} of {epochs} epochs of {steps} steps")
    if progress.losses.shape != (steps,):
        raise ValueError(f"losses of shape {tuple(progress.losses.shape)} for {steps} steps per epoch")
    lengths = {len(curve) for curve in progress.curves.values()}
    if lengths - {progress.epoch}:
        raise ValueError(f"curves of {sorted(lengths)} epochs after {progress.epoch}")
    if not all(isinstance(session, dict) for session in progress.sessions):
        raise ValueError("its sessions are not environments")


def _check_optimizer(state: Mapping[str, Any], progress: Progress, task: Task) -> None:
    """Raises ValueError if step size, decay and so on differ from the configuration's at this epoch, or if the moments
    do not fit the parameters and the number of steps."""
    optimizer = task.optimizer
    set_eta(optimizer, SCHEDULES[task.config.schedule.name](progress.epoch, task.config.training.epochs))
    ours, theirs = (_configured(optimizer, of["param_groups"]) for of in (optimizer.state_dict(), state))
    if len(ours) != len(theirs):
        raise ValueError(f"{len(theirs)} groups of parameters, not {len(ours)}")
    for mine, saved in zip(ours, theirs, strict=True):
        for key in sorted(mine.keys() | saved.keys()):
            if (of := _plain(saved.get(key))) != (expected := _plain(mine.get(key))):
                raise ValueError(f"its optimizer has {key}={of}, but the configuration has {expected}")
    if not isinstance(optimizer, AdamFamily):
        return
    parameters = task.optimized()
    taken = progress.epoch * len(task.batches) + progress.step
    for index, moments in state["state"].items():
        if moments["step"] != taken:
            raise ValueError(f"its optimizer has taken {moments['step']:g} steps, but the run {taken}")
        for name in optimizer.buffers:
            if moments[name].shape != parameters[index].shape:
                raise ValueError(f"{name} of shape {tuple(moments[name].shape)}")


def load(path: Path, identity: str, task: Task) -> Progress | None:
    """Restore the task to the saved state and return its progress; None if there is no checkpoint.

    Nothing that the configuration determines is taken from the file: if the two disagree, the file is refused.

    Raises:
        CheckpointError: the file is truncated or foreign, is the checkpoint of another run or runner, or does not match
            this configuration.
    """
    if not path.exists():
        return None
    content = _read(path, task.device)
    if content["identity"] != identity:
        raise CheckpointError(f"{path} belongs to the run {content['identity']}, not to {identity}; remove it")
    if (content["flat"] is None) != (task.fast.layout is None):
        runner = "fast" if content["flat"] else "plain"
        raise CheckpointError(f"{path} was saved with runner={runner}; continue with that, or remove it to start again")
    if task.fast.layout is not None and content["flat"] != str(task.fast.layout):
        raise CheckpointError(
            f"{path} was saved on another kind of device; continue there, or remove it to start again"
        )
    try:
        progress = Progress(**{**content["progress"], "not_finite": NotFinite(**content["progress"]["not_finite"])})
        _check_progress(progress, task)
        _check_optimizer(content["optimizer"], progress, task)
        configured = _configured(task.optimizer, task.optimizer.param_groups)
        task.model.load_state_dict(content["model"])
        any_torch.restore(task.optimizer, content["optimizer"])
        if task.loss_second_moment is not None:
            torch._foreach_copy_(task.loss_second_moment.u, content["loss_second_moment"])
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{path} does not match its run ({reason}); remove it to train this run from the beginning"
        ) from None
    for group, values in zip(task.optimizer.param_groups, configured, strict=True):
        group.update(values)
    return progress
