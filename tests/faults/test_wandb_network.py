"""A real wandb whose server refuses every connection, or accepts it and never answers.

A wandb that raises, at its start or in any call, or that is not installed: tests/tracking/test_failing_wandb.py.
"""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Make
from faults import injection
from faults.journals import Attempt, files_of, result, whole
from scalefree.training import run


@pytest.fixture(params=["refuses", "never answers"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address on the loopback interface. The kernel accepts connections to it that nobody ever reads."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if request.param == "never answers":
            listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_the_run_goes_on_without_it(address: str, tiny: Make, start: Callable[..., tuple[Any, Path]]) -> None:
    expected = tiny({"results_dir": tiny().results_dir + "-untracked"})
    run(expected)
    config = tiny({"tracking": "online"})
    process, journal = start(injection.train_online, config, address, 4.0)
    process.join()
    assert Attempt(process.exitcode, journal).exit_code == 0
    assert result(config) == result(expected)
    assert {file for file in files_of(config.results_dir) if not file.startswith("wandb/")} == whole(config)
    (line,) = [line for line in journal.with_suffix(".log").read_text().splitlines() if "wandb is left out" in line]
    assert "CommError" in line or "Timeout" in line
