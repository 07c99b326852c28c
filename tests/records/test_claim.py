"""One process owns a run at a time, and a dead one owns nothing."""

import errno
import fcntl
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import scalefree
from scalefree.records import Store

claim_module = importlib.import_module("scalefree.records.claim")


def test_a_claimed_run_is_refused_to_others_until_it_is_released(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.claim("run") as first:
        assert first
        with Store(tmp_path).claim("run") as second:
            assert not second
        with store.claim("run") as third:
            assert not third, "a refused claim must not release the owner's"
        with store.claim("another") as free:
            assert free
    with store.claim("run") as again:
        assert again
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_claim_ends_with_an_exception(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RuntimeError, match="inside"), store.claim("run"):
        raise RuntimeError("inside")
    with store.claim("run") as mine:
        assert mine
    assert list((tmp_path / "locks").iterdir()) == []


OWNER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from scalefree.records import Store
with Store(sys.argv[2]).claim("run") as mine:
    print(mine, flush=True)
    time.sleep(600)
"""


def test_another_process_is_refused_and_a_killed_ones_claim_is_void(tmp_path: Path) -> None:
    source = str(Path(scalefree.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, source, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "True\n"
        store = Store(tmp_path)
        with store.claim("run") as mine:
            assert not mine
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        assert (tmp_path / "locks" / "run").exists(), "the owner had no time to tidy up"
        with store.claim("run") as mine:
            assert mine
        assert list((tmp_path / "locks").iterdir()) == []


def test_a_lock_on_a_file_that_its_owner_has_just_removed_is_no_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our opening of the file and our locking, the owner before us leaves and removes it."""
    store = Store(tmp_path)
    path = tmp_path / "locks" / "run"
    flock = fcntl.flock
    calls: list[int] = []

    def late(descriptor: int, operation: int) -> None:
        if not calls:
            path.unlink()
        calls.append(operation)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with store.claim("run") as mine:
        assert mine and path.exists()
        with store.claim("run") as second:
            assert not second, "both hold a lock, on two files of one name"


class Elsewhere:
    """An owner on another machine, whose kernel lock is not seen here: it beats until it is stopped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stopped = threading.Event()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("another-kernel another-host 7 0\n")
        self.thread = threading.Thread(target=self.beat)

    def beat(self) -> None:
        count = 0
        while not self.stopped.wait(0.02):
            count += 1
            self.path.write_text(f"another-kernel another-host 7 {count}\n")

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_module, "LEASE", 2.0)


def test_a_living_owner_on_another_machine_is_respected_and_a_dead_ones_claim_is_void(
    tmp_path: Path, short_lease: None
) -> None:
    path = tmp_path / "locks" / "run"
    with Elsewhere(path), Store(tmp_path).claim("run") as mine:
        assert not mine
    with Store(tmp_path).claim("run") as mine:
        assert mine and path.read_text().startswith(claim_module.machine())
    assert not path.exists()


def test_an_owner_that_leaves_while_it_is_watched_was_alive(
    tmp_path: Path, short_lease: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "locks" / "run"
    path.parent.mkdir()
    path.write_text("another-kernel another-host 7 0\n")
    monkeypatch.setattr(time, "sleep", lambda seconds: path.unlink(missing_ok=True))
    with Store(tmp_path).claim("run") as mine:
        assert not mine


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_kernel_locks_the_heartbeat_decides(
    error: int, tmp_path: Path, short_lease: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(descriptor: int, operation: int) -> None:
        raise OSError(error, "no locks here")

    monkeypatch.setattr(fcntl, "flock", none)
    monkeypatch.setattr(claim_module, "HEARTBEAT", 0.02)
    with Store(tmp_path).claim("run") as first:
        assert first
        with Store(tmp_path).claim("run") as second:
            assert not second
    with Store(tmp_path).claim("run") as again:
        assert again


def test_an_error_that_is_no_lack_of_locks_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="broken"), Store(tmp_path).claim("run"):
        raise AssertionError("never claimed")


def test_the_heartbeat_goes_on_and_ends_with_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_module, "HEARTBEAT", 0.01)
    threads = threading.active_count()
    with Store(tmp_path).claim("run") as mine:
        path = tmp_path / "locks" / "run"
        counts = {path.read_text()}
        while len(counts) < 3:
            counts.add(path.read_text())
        assert mine and threading.active_count() == threads + 1
    assert threading.active_count() == threads
