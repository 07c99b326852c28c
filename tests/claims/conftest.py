"""The profiles that confirm, loaded once at made cells, and the demonstration."""

import pytest

from experiments.made import Loaded, load, made_cells


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load("digits", made_cells("digits"), tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def cifar16(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load("cifar16", made_cells("cifar16"), tmp_path_factory.mktemp("cifar16"))


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load("quick", None, tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="session")
def profiles(digits: Loaded, cifar16: Loaded) -> dict[str, Loaded]:
    return {"digits": digits, "cifar16": cifar16}
