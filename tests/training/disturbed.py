"""Trainings in which something happens at chosen steps."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from torch import Tensor

from scalefree.training import checkpoint, trainer
from scalefree.training.task import Task


def at_steps(monkeypatch: pytest.MonkeyPatch, what: dict[int, Any]) -> None:
    """Raises a signal or an exception during the chosen steps, counted over all trainings."""
    original = trainer.steps
    taken = 0

    def disturbed(task: Task, epoch: int, start_step: int) -> Iterator[Tensor]:
        nonlocal taken
        for loss in original(task, epoch, start_step):
            taken += 1
            disturbance = what.get(taken)
            if isinstance(disturbance, signal.Signals):
                signal.raise_signal(disturbance)
            elif disturbance is not None:
                raise disturbance
            yield loss

    monkeypatch.setattr(trainer, "steps", disturbed)


def after_save(monkeypatch: pytest.MonkeyPatch, number: int, action: Callable[[], object]) -> Callable[[], int]:
    """Does something right after this checkpoint, counted from 1; returns a function that counts the saves."""
    save, saves = checkpoint.save, 0

    def and_act(*arguments: Any) -> None:
        nonlocal saves
        save(*arguments)
        saves += 1
        if saves == number:
            action()

    monkeypatch.setattr(checkpoint, "save", and_act)
    return lambda: saves


# A separate process like a user's, which disturbs itself with `at_steps`.
CHILD = """
import signal
from _pytest.monkeypatch import MonkeyPatch
from scalefree.compose import run_config
from scalefree.training import Interrupted, run, trainer
from training.disturbed import at_steps

at_steps(MonkeyPatch(), {disturbances})
trainer.CHECKPOINT_SECONDS = {checkpoint_seconds}
try:
    run(run_config({values}))
except Interrupted:
    print("interrupted")
"""


def child(values: dict[str, Any], disturbances: dict[int, signal.Signals], checkpoint_seconds: float = 120.0) -> str:
    """The program of a process that trains a run and receives signals at steps, counted from 1."""
    numbers = {step: int(number) for step, number in disturbances.items()}
    told = "{" + ", ".join(f"{step}: signal.Signals({number})" for step, number in numbers.items()) + "}"
    return CHILD.format(disturbances=told, checkpoint_seconds=checkpoint_seconds, values=repr(values))
