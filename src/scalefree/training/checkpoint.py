"""A run's state between two steps, on disk: one file, whole or absent, loaded without pickle."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scalefree.records.files import atomic_write
from scalefree.training.task import Task

# Raise it when the content, or the order of the flat vector, changes.
CHECKPOINT_FORMAT = 2


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
        histogram_epochs: after which epochs (counted from 1) the update scales were measured.
        counts: by layer group, one histogram a measured epoch.
        update_scale: scalars of the last measurement by layer group.
        training_seconds: of the epoch under way, so that a resumed run's add up.
    """

    losses: Tensor
    epoch: int = 0
    step: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)
    histogram_epochs: list[int] = field(default_factory=list)
    counts: dict[str, list[list[int]]] = field(default_factory=dict)
    update_scale: dict[str, dict[str, float]] = field(default_factory=dict)
    training_seconds: float = 0.0


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
    }
    with atomic_write(path) as file:
        torch.save(content, file)


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    advice = "remove it to train this run from its beginning"
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for damaged files, and each means the same here
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is no readable checkpoint ({reason}); {advice}") from None
    if not isinstance(content, dict) or content.get("format") != CHECKPOINT_FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of this version; {advice}")
    return content


def load(path: Path, identity: str, task: Task) -> Progress | None:
    """Bring the task to the saved state and return its progress; None where there is no checkpoint.

    Raises:
        CheckpointError: a truncated or foreign file, or the checkpoint of another run or another runner.
    """
    if not path.exists():
        return None
    content = _read(path, task.device)
    if content["identity"] != identity:
        raise CheckpointError(f"{path} belongs to the run {content['identity']}, not to {identity}; remove it")
    if content["flat"] != (task.flat is not None):
        runner = "fast" if content["flat"] else "plain"
        raise CheckpointError(f"{path} was saved with runner={runner}; go on with that, or remove it to start afresh")
    task.model.load_state_dict(content["model"])
    task.optimizer.load_state_dict(content["optimizer"])
    return Progress(**content["progress"])
