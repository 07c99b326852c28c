"""The confirmatory profiles, loaded once with made-up cells."""

import pytest

from experiments.made import Loaded, load, made_cells


@pytest.fixture(scope="session")
def cifar16(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load("cifar16", made_cells("cifar16"), tmp_path_factory.mktemp("cifar16"))


@pytest.fixture(scope="session")
def profiles(digits: Loaded, cifar16: Loaded) -> dict[str, Loaded]:
    return {"digits": digits, "cifar16": cifar16}
