"""A run's state between two steps, on disk: one file, whole or absent, loaded without pickle."""

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scalefree.files import atomic_write
from scalefree.measure import Distribution
from scalefree.optim.schedules import SCHEDULES, set_eta
from scalefree.records.environment import build_of
from scalefree.training.task import Task

# Raise it when the content, or the order of the flat vector, changes.
CHECKPOINT_FORMAT = 3
KEYS = {"format", "identity", "flat", "model", "optimizer", "progress", "gradients"}


class CheckpointError(ValueError):
    """A checkpoint that is damaged or belongs to something else; the message names the file and what to do."""


@dataclass
class Progress:
    """How far a run has come, and what it has measured so far.

    Attributes:
        epoch: epochs completed.
        step: steps taken in the epoch that is under way.
        losses: (steps an epoch,) training losses of the epoch under way, on the device.
        curves: one value an epoch, by name.
        histogram_epochs: after which epochs (counted from 1) the distributions were measured.
        counts: by `<quantity>/<layer group>`, one histogram a measured epoch.
        scalars: likewise the distributions' scalars.
        training_seconds: of the epoch under way, so that a resumed run's add up.
        sessions: the environments in which it was trained, a new one whenever the build has changed; the last is now's.
    """

    losses: Tensor
    epoch: int = 0
    step: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)
    histogram_epochs: list[int] = field(default_factory=list)
    counts: dict[str, list[list[int]]] = field(default_factory=dict)
    scalars: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    training_seconds: float = 0.0
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def begin_session(self, environment: dict[str, Any]) -> None:
        """Take note of the environment that computes from here on."""
        if self.sessions and build_of(self.sessions[-1]) == build_of(environment):
            del self.sessions[-1]
        self.sessions.append(environment)

    @property
    def update_scale(self) -> dict[str, dict[str, float]]:
        """Scalars of the last measured update scales, by layer group."""
        prefix = "update_scale/"
        return {key.removeprefix(prefix): rows[-1] for key, rows in self.scalars.items() if key.startswith(prefix)}

    def add_measured(self, epoch: int, measured: dict[str, Distribution]) -> None:
        """Keep what was measured after an epoch, by `<quantity>/<layer group>`."""
        self.histogram_epochs.append(epoch)
        for key, distribution in measured.items():
            self.counts.setdefault(key, []).append(distribution.counts.tolist())
            self.scalars.setdefault(key, []).append(distribution.scalars)

    def history(self) -> Iterator[tuple[int, dict[str, float], dict[str, Distribution]]]:
        """Every epoch so far: its number, the metrics that it has, and its distributions if they were measured."""
        for epoch in range(1, self.epoch + 1):
            row = {name: values[epoch - 1] for name, values in self.curves.items()}
            measured = {}
            if epoch in self.histogram_epochs:
                at = self.histogram_epochs.index(epoch)
                measured = {
                    key: Distribution(np.array(rows[at], dtype=np.int64), self.scalars[key][at])
                    for key, rows in self.counts.items()
                }
            yield epoch, {name: value for name, value in row.items() if not math.isnan(value)}, measured


def save(path: Path, identity: str, task: Task, progress: Progress) -> None:
    """Replace the checkpoint at `path`.

    Raises:
        OSError: a full disk or a read-only directory; the old checkpoint is then still there.
    """
    content = {
        "format": CHECKPOINT_FORMAT,
        "identity": identity,
        "flat": task.flat is not None,
        "model": task.model.state_dict(),
        "optimizer": task.optimizer.state_dict(),
        "progress": vars(progress),
        # After an epoch's last step its gradients are still to be measured; before, each step makes its own.
        "gradients": task.gradients() if progress.step == len(task.batches) else {},
    }
    # Made in memory first: torch's own writing to a full disk ends in its complaint about a wrong position in the file.
    archive = io.BytesIO()
    torch.save(content, archive)
    with atomic_write(path) as file:
        file.write(archive.getbuffer())


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    advice = "remove it to train this run from its beginning"
    try:
        # torch writes a zip archive with checksums and reads it without looking at them: it would take a flipped
        # bit for a weight.
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"wrong checksum of {damaged}")
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch and zipfile raise a dozen kinds for damaged files, each meaning the same here
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is no readable checkpoint ({reason}); {advice}") from None
    if not isinstance(content, dict) or content.get("format") != CHECKPOINT_FORMAT or KEYS - content.keys():
        raise CheckpointError(f"{path} is not a checkpoint of this version; {advice}")
    return content


def _plain(value: Any) -> Any:
    """A hyperparameter as plain values: in captured steps some are tensors, and a file has lists for tuples."""
    if isinstance(value, Tensor):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _groups(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{k: _plain(v) for k, v in group.items() if k != "params"} for group in state["param_groups"]]


def _check_progress(progress: Progress, task: Task) -> None:
    """Raises ValueError: what no run of this configuration can have reached."""
    steps, epochs = len(task.batches), task.config.training.epochs
    if not (0 <= progress.epoch < epochs and 0 <= progress.step <= steps):
        raise ValueError(f"epoch {progress.epoch}, step {progress.step} of {epochs} epochs of {steps} steps")
    if progress.losses.shape != (steps,):
        raise ValueError(f"losses of shape {tuple(progress.losses.shape)} for {steps} steps per epoch")
    lengths = {len(curve) for curve in progress.curves.values()}
    if lengths - {progress.epoch}:
        raise ValueError(f"curves of {sorted(lengths)} epochs after {progress.epoch}")
    if not all(isinstance(session, dict) for session in progress.sessions):
        raise ValueError("sessions that are not environments")


def _check_optimizer(state: Mapping[str, Any], progress: Progress, task: Task) -> None:
    """Raises ValueError: another step size, decay and so on than the configuration has at this epoch, or its moments
    are not those of these parameters after so many steps."""
    set_eta(task.optimizer, SCHEDULES[task.config.schedule.name](progress.epoch, task.config.training.epochs))
    ours, theirs = _groups(task.optimizer.state_dict()), _groups(state)
    if len(ours) != len(theirs):
        raise ValueError(f"{len(theirs)} groups of parameters, not {len(ours)}")
    for mine, saved in zip(ours, theirs, strict=True):
        for key in sorted(mine.keys() | saved.keys()):
            if mine.get(key) != saved.get(key):
                raise ValueError(f"its optimizer has {key}={saved.get(key)}, and the configuration {mine.get(key)}")
    parameters = [p for group in task.optimizer.param_groups for p in group["params"]]
    taken = progress.epoch * len(task.batches) + progress.step
    for index, moments in state["state"].items():
        if moments["step"] != taken:
            raise ValueError(f"its optimizer has taken {moments['step']:g} steps, and the run {taken}")
        for name in ("exp_avg", "exp_avg_sq"):
            if moments[name].shape != parameters[index].shape:
                raise ValueError(f"{name} of shape {tuple(moments[name].shape)}")


def load(path: Path, identity: str, task: Task) -> Progress | None:
    """Bring the task to the saved state and return its progress; None where there is no checkpoint.

    What the configuration says is never taken from the file: where the two disagree it is refused.

    Raises:
        CheckpointError: a truncated or foreign file, the checkpoint of another run or another runner, or one whose
            content is not that of this configuration.
    """
    if not path.exists():
        return None
    content = _read(path, task.device)
    if content["identity"] != identity:
        raise CheckpointError(f"{path} belongs to the run {content['identity']}, not to {identity}; remove it")
    if content["flat"] != (task.flat is not None):
        runner = "fast" if content["flat"] else "plain"
        raise CheckpointError(f"{path} was saved with runner={runner}; go on with that, or remove it to start afresh")
    try:
        progress = Progress(**content["progress"])
        _check_progress(progress, task)
        _check_optimizer(content["optimizer"], progress, task)
        configured = [{k: v for k, v in group.items() if k != "params"} for group in task.optimizer.param_groups]
        task.model.load_state_dict(content["model"])
        task.optimizer.load_state_dict(content["optimizer"])
        task.set_gradients(content["gradients"])
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{path} does not fit its run ({reason}); remove it to train this run from its beginning"
        ) from None
    for group, values in zip(task.optimizer.param_groups, configured, strict=True):
        group.update(values)
    return progress
