"""The daemon through which runs share a GPU: a stand-in logs when it is started and stopped."""

import os
from pathlib import Path

import pytest

from conftest import Make
from scalefree.config import ConfigError
from scalefree.launching import LocalSettings, launch
from scalefree.launching.mps import CONTROL, PIPES, multi_process_service


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One line per call of the stand-in: its argument or input; it fails without the daemon's folder."""
    monkeypatch.delenv(PIPES, raising=False)
    path, program = tmp_path / "journal", tmp_path / "bin" / CONTROL
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ -d "${PIPES}" ] || exit 9\nif [ $# = 0 ]; then read word; else word=$1; fi\n'
        f'echo "$word" >> {path}\necho starting\nexit $(cat {tmp_path}/code 2>/dev/null || echo 0)\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return path


def test_a_sweep_runs_its_own_daemon_and_cleans_up(journal: Path, tiny: Make) -> None:
    before = dict(os.environ)
    done = launch(LocalSettings(jobs=1, mps=True), [tiny()])
    assert [report.ending for report in done.reports] == ["trained"]
    assert journal.read_text().split() == ["-d", "quit"]
    assert {**os.environ, "OMP_NUM_THREADS": ""} == {**before, "OMP_NUM_THREADS": ""}


def test_child_processes_find_the_daemon_and_an_error_stops_it_too(journal: Path) -> None:
    with pytest.raises(KeyError), multi_process_service():
        folder = Path(os.environ[PIPES])
        assert folder.is_dir() and journal.read_text().split() == ["-d"]
        raise KeyError
    assert journal.read_text().split() == ["-d", "quit"] and PIPES not in os.environ and not folder.exists()


def test_a_clusters_daemon_is_used_and_left_running(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PIPES, "/of/the/cluster")
    with multi_process_service():
        assert os.environ[PIPES] == "/of/the/cluster"
    assert os.environ[PIPES] == "/of/the/cluster" and not journal.exists()


def test_without_a_daemon_the_sweep_is_refused(journal: Path, tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    (journal.parent / "code").write_text("3")
    with pytest.raises(ConfigError, match=r"-d failed with exit code 3: starting; use hydra.launcher.mps=false"):
        launch(LocalSettings(jobs=1, mps=True), [config])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"needs nvidia-cuda-mps-control.*use hydra.launcher.mps=false"):
        launch(LocalSettings(jobs=1, mps=True), [config])
    assert not Path(config.results_dir).exists()
