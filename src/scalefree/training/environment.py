"""The environment of a session: package versions and commit, device, and which of our own code is used."""

from pathlib import Path
from typing import Any

from scalefree.paths import name_as_text
from scalefree.records.environment import versions
from scalefree.training.device import describe
from scalefree.training.task import Task


def environment(task: Task) -> dict[str, Any]:
    """The record's description of the session that trains this task."""
    config = task.config
    # The fast loop is the plain one where nothing in it can be sped up, as for torch's optimizers on CUDA.
    loop = "fast" if task.fast.any else "plain"
    return {
        **versions(),
        **describe(task.device),
        "runner": loop if config.runner in ("auto", "fast") else config.runner,
        "convolutions": f"torch and {task.fast.native}" if task.fast.native else "torch",
        "dataset_root": None if config.dataset.root is None else name_as_text(Path(config.dataset.root).name),
    }
