"""Processes that train and may be killed on purpose."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults import injection
from faults.journals import Attempt
from scalefree.config import RunConfig

Train = Callable[..., Attempt]


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    """A process with torch loaded that has not trained; training processes are forked from it quickly."""
    with pytest.MonkeyPatch.context() as patch:
        tests, source = Path(__file__).parents[1], Path(__file__).parents[2] / "src"
        patch.setenv("PYTHONPATH", os.pathsep.join([str(source), str(tests)]))
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["faults.warm"])
        first = context.Process(target=int)
        first.start()
        first.join()
        yield context


@pytest.fixture
def start(server: Any, tmp_path: Path) -> Callable[..., tuple[Any, Path]]:
    """Starts a function of `injection` with its own journal; returns the process and the journal."""
    count = 0

    def begin(target: Callable[..., None], *arguments: Any, deadly: int = 0) -> tuple[Any, Path]:
        nonlocal count
        count += 1
        journal = tmp_path / f"journal-{count}"
        process = server.Process(target=target, args=(*arguments, journal, deadly))
        process.start()
        return process, journal

    return begin


@pytest.fixture
def train(start: Callable[..., tuple[Any, Path]]) -> Train:
    """Trains a run, or a sweep with `jobs`, in a process that is killed at the point `deadly` or ends by itself."""

    def attempt(what: RunConfig | list[RunConfig], *, deadly: int = 0, jobs: int = 1) -> Attempt:
        if isinstance(what, RunConfig):
            process, journal = start(injection.train, what, deadly=deadly)
        else:
            process, journal = start(injection.train_all, what, jobs, deadly=deadly)
        process.join()
        return Attempt(process.exitcode, journal)

    return attempt
