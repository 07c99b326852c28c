"""Shared fixtures: one thread, and runs that take a fraction of a second."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.made import Loaded, load, made_cells
from scalefree.compose import run_config
from scalefree.config import RunConfig

Make = Callable[..., RunConfig]

# 200 training images in batches of 32: seven steps per epoch, the last with eight images.
TINY: dict[str, Any] = {
    "dataset": "digits",
    "dataset.per_class": 20,
    "model": "resnet",
    "model.depth": 8,
    "model.width": 4,
    "model.batch_norm": False,
    "optimizer": "adamw",
    "optimizer.weight_decay": 1e-3,
    "training.epochs": 2,
    "training.batch_size": 32,
    "tracking": "none",
    "device": "cpu",
}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Small tensors are fastest this way, and sums keep one order."""
    torch.set_num_threads(1)


@pytest.fixture
def tiny(tmp_path: Path) -> Make:
    """Makes the configuration of a tiny run whose results go to the test's own folder; takes the values that differ."""

    def make(values: Mapping[str, Any] | None = None) -> RunConfig:
        chosen = {**TINY, "results_dir": str(tmp_path / "results"), **(values or {})}
        if chosen["model"] == "densenet":
            del chosen["model.width"]
        return run_config(chosen)

    return make


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The confirmatory profile: twenty seeds at made-up frozen cells."""
    return load("digits", made_cells("digits"), tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The demonstration: two seeds, which also choose."""
    return load("quick", None, tmp_path_factory.mktemp("quick"))


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Sets the umask for the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)
