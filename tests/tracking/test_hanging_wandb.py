"""A wandb that does not answer: a missing server, one that never replies, or a stopped service process.

Each run has its own process, which must also end.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY
from scripts.entry import ENVIRONMENT

# Trains with short timeouts; prints the outcome and the warnings about wandb.
RUN = """
import json, logging, os, signal, sys
import wandb
from scalefree.compose import run_config
from scalefree.tracking import wandb_tracker
from scalefree.training import run

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger("scalefree").addHandler(handler)
wandb_tracker.START_TIMEOUT = {seconds}
wandb_tracker.FINISH_TIMEOUT = wandb_tracker.LOG_TIMEOUT = wandb_tracker.GRACE = 2.0
if {stop}:
    original = wandb.init

    def init(**arguments):
        started = original(**arguments)
        os.kill(wandb.setup()._connection._proc._process.pid, signal.SIGSTOP)
        return started

    wandb.init = init
record = run(run_config({values})).record
said = [line for line in lines if "without wandb: " in line]
print(json.dumps([record.outcome.status, record.final_metrics, said]))
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    status, metrics, said = trained(tmp_path_factory.mktemp("untracked"), tracking="none")
    assert status == "completed" and said == []
    return metrics


def trained(results: Path, tracking: str, stop: bool = False, server: str = "", seconds: float = 30.0) -> Any:
    values = {**TINY, "tracking": tracking, "results_dir": str(results)}
    code = RUN.replace("{values}", repr(values)).replace("{stop}", repr(stop)).replace("{seconds}", repr(seconds))
    account = {"WANDB_BASE_URL": server, "WANDB_API_KEY": "0" * 40} if server else {}
    home = {"HOME": str(results), "WANDB_CONFIG_DIR": str(results / "config"), "NO_PROXY": "*"}
    environment = {**ENVIRONMENT, **home, **account}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=240, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts connections and never replies."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def no_server() -> str:
    """An address on this machine where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_missing_server_does_not_affect_the_run(expected: Any, no_server: str, tmp_path: Path) -> None:
    status, metrics, said = trained(tmp_path, "online", server=no_server, seconds=5.0)
    assert (status, metrics) == ("completed", expected)
    assert len(said) == 1


def test_a_server_that_never_replies_does_not_affect_the_run(expected: Any, silent_server: str, tmp_path: Path) -> None:
    status, metrics, said = trained(tmp_path, "online", server=silent_server, seconds=5.0)
    assert (status, metrics) == ("completed", expected)
    assert len(said) == 1


def test_a_stopped_service_process_does_not_affect_the_run(expected: Any, tmp_path: Path) -> None:
    status, metrics, said = trained(tmp_path, "offline", stop=True)
    assert (status, metrics) == ("completed", expected)
    assert len(said) == 1 and "no answer for" in said[0]
    assert [entry for entry in os.listdir(tmp_path / "wandb") if entry.startswith("offline-run")]
