"""Profiles loaded once, and their evidence as `hand_made.world` makes it."""

import pytest

from experiments.made import Loaded, load
from figures.hand_made import evidence, world
from scalefree.config import RunConfig
from scalefree.experiments.evidence import Evidence


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """One seed of nearly everything."""
    return load("smoke", None, tmp_path_factory.mktemp("smoke"))


@pytest.fixture(scope="session")
def full(digits: Loaded) -> Evidence:
    """All of digits."""
    return evidence(digits, world)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Digits before any cell is frozen: of each grid the decays below 1e-3, whatever their seed."""
    unchosen = load("digits", None, tmp_path_factory.mktemp("unchosen"))

    def some(config: RunConfig) -> bool:
        return config.optimizer.weight_decay < 1e-3

    return evidence(unchosen, lambda config: world(config) if some(config) else None)
