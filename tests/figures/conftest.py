"""Profiles loaded once, and their evidence according to `hand_made.world`."""

import pytest

from experiments.made import Loaded, load
from figures.hand_made import evidence, world
from scalefree.config import RunConfig
from scalefree.experiments.evidence import Evidence


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A profile with one seed of nearly everything."""
    return load("smoke", None, tmp_path_factory.mktemp("smoke"))


@pytest.fixture(scope="session")
def full(digits: Loaded) -> Evidence:
    """The complete evidence of digits."""
    return evidence(digits, world)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Digits before any cell is frozen, with only the decays below 1e-3 of each grid trained."""
    unchosen = load("digits", None, tmp_path_factory.mktemp("unchosen"))

    def some(config: RunConfig) -> bool:
        return config.optimizer.weight_decay < 1e-3

    return evidence(unchosen, lambda config: world(config) if some(config) else None)
