"""wandb's own client and `wandb sync` with a stand-in server on this machine. No real server is involved."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY
from scalefree.compose import run_config
from scalefree.records import Store
from scalefree.training import run
from scripts.entry import ENVIRONMENT, TESTS_ENVIRONMENT, command
from tracking.stand_in import Server, serving
from training.disturbed import child

EPOCHS = 4


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def train(server: Server, values: dict[str, Any], stop: int = 0) -> str:
    """Runs one session of an online run in its own process, with SIGTERM in step `stop`; returns its output."""
    code = child(values, {stop: signal.SIGTERM})
    environment = {**TESTS_ENVIRONMENT, **server.account(), "HOME": values["results_dir"]}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=240, check=True
    )
    assert "left out" not in done.stderr, done.stderr
    return done.stdout


def test_an_online_run_resumed_twice_has_every_epoch_once(server: Server, tmp_path: Path) -> None:
    values = {**TINY, "tracking": "online", "training.epochs": EPOCHS, "results_dir": str(tmp_path)}
    for stop in (16, 6):  # in the third epoch, both times
        assert "interrupted" in train(server, values, stop)
    train(server, values)
    (record,) = Store(tmp_path).records().values()
    rows = server.history[record.identity]
    assert [row["_step"] for row in rows] == [row["epoch"] for row in rows] == [1, 2, 3, 4]
    curves = Store(tmp_path).curves(record)
    assert [row["test_error"] for row in rows] == curves["test_error"].tolist()


def test_offline_runs_are_uploaded_whole_once_and_in_order(server: Server, tmp_path: Path) -> None:
    identities = []
    for seed in (1, 0):
        values = {**TINY, "tracking": "offline", "seed": seed, "results_dir": str(tmp_path / "results")}
        identities.append(run(run_config(values)).record.identity)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**ENVIRONMENT, **server.account(), "HOME": str(tmp_path), "PATH": path}

    def sync() -> str:
        done = subprocess.run(
            command("sync.py"), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "2 to upload" in sync()
    assert server.uploads == identities
    assert all([row["epoch"] for row in rows] == [1, 2] for rows in server.history.values())
    requests = len(server.requests)
    assert "0 to upload, 2 uploaded before" in sync() and len(server.requests) == requests
