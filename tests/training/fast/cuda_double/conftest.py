"""A process that runs with the double of CUDA, started at a test's first question."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from training.fast.cuda_double.build import Unavailable, compiled
from training.fast.cuda_double.process import Session

Ask = Callable[..., Any]


@pytest.fixture(scope="session")
def double(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled double."""
    try:
        return compiled(tmp_path_factory.mktemp("cuda_double"))
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def ask(double: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks questions to a process that runs with the double."""
    session = Session(double, tmp_path_factory.mktemp("session"))
    yield session
    session.close()
