"""Only one process owns a run at a time, and a dead process owns nothing."""

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
from typing import Any

import pytest

import scalefree
from other_users import as_user, needs_root, shared_folder
from scalefree.records import Store

claim_module = importlib.import_module("scalefree.records.claim")


def test_a_claimed_run_cannot_be_claimed_again_until_it_is_released(tmp_path: Path) -> None:
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


def test_a_claim_holds_across_processes_until_its_owner_is_killed(tmp_path: Path) -> None:
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
        assert (tmp_path / "locks" / "run").exists(), "the owner had no time to clean up"
        with store.claim("run") as mine:
            assert mine
        assert list((tmp_path / "locks").iterdir()) == []


def test_a_lock_on_a_file_that_was_just_removed_is_not_a_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our opening and locking of the file, the previous owner ends and removes it."""
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
            assert not second, "both hold a lock, on two files with the same name"


class Elsewhere:
    """An owner on another machine, whose kernel lock is invisible here: it writes heartbeats until it is stopped."""

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


def test_an_owner_on_another_machine_holds_its_claim_only_while_alive(tmp_path: Path, short_lease: None) -> None:
    path = tmp_path / "locks" / "run"
    with Elsewhere(path), Store(tmp_path).claim("run") as mine:
        assert not mine
    with Store(tmp_path).claim("run") as mine:
        assert mine and path.read_text().startswith(claim_module.machine())
    assert not path.exists()


def test_an_owner_that_ends_while_being_watched_counts_as_alive(
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


def test_other_lock_errors_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match=r"broken: .*locks/run"), Store(tmp_path).claim("run"):
        raise AssertionError("never claimed")


def test_the_heartbeat_continues_until_the_claim_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_module, "HEARTBEAT", 0.01)
    threads = threading.active_count()
    with Store(tmp_path).claim("run") as mine:
        path = tmp_path / "locks" / "run"
        counts = {path.read_text()}
        while len(counts) < 3:
            counts.add(path.read_text())
        assert mine and threading.active_count() == threads + 1
    assert threading.active_count() == threads


LONG = b"another-kernel another-host 7 0\n" * 100_000


@pytest.mark.parametrize(
    "content",
    [b"", b" \n", b"hello\n", b"\0" * 64, b"\xff\xfe 1 2 3", b"another-kernel another-host seven 0\n", LONG],
    ids=["empty", "blank", "text", "zeros", "binary", "nearly valid", "long"],
)
def test_a_lock_file_that_no_owner_wrote_is_named_and_rewritten(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("there is nobody to wait for"))
    path = tmp_path / "locks" / "run"
    path.parent.mkdir()
    path.write_bytes(content)
    with Store(tmp_path).claim("run") as mine:
        assert mine and claim_module.OWNER.fullmatch(path.read_bytes())
    assert not path.exists()
    assert [str(path) in record.message for record in caplog.records] == [True] * (content != b"")


def test_without_kernel_locks_a_long_unchanging_file_is_not_an_owner(
    tmp_path: Path, short_lease: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", none)
    path = tmp_path / "locks" / "run"
    path.parent.mkdir()
    path.write_bytes(LONG + b"\xff")
    with Store(tmp_path).claim("run") as mine:
        assert mine and len(path.read_bytes()) < 200
    assert str(path) in caplog.text


def in_the_way(path: Path, what: str) -> None:
    path.parent.mkdir(exist_ok=True)
    if what == "link":
        path.symlink_to(path.parent.with_name("precious"))
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_anything_but_a_lock_file_is_refused_by_name_and_not_touched(what: str, tmp_path: Path) -> None:
    """A heartbeat through a link would overwrite its target, and opening a pipe would block."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    in_the_way(tmp_path / "locks" / "run", what)
    with pytest.raises(OSError, match="locks/run"), Store(tmp_path).claim("run"):
        raise AssertionError("never claimed")
    assert precious.read_bytes() == b"precious" and [p.name for p in (tmp_path / "locks").iterdir()] == ["run"]


OWNER_A, OWNER_B = 20001, 20002
HELD: list[Any] = []


def claimed(store: Path) -> bool:
    """Claims the run; the process then ends while holding it, as if killed."""
    HELD.append(Store(store).claim("run"))
    return bool(HELD[-1].__enter__())


@needs_root
@pytest.mark.parametrize("mask", [0o002, 0o022])
def test_a_lock_left_by_another_user_is_taken_over(mask: int) -> None:
    """Whether the group may write to it or only replace it."""
    with shared_folder() as folder:
        os.umask(0o002)
        try:
            (folder / "locks").mkdir()
        finally:
            os.umask(0o022)
        assert as_user(OWNER_A, mask, lambda: claimed(folder)) == "True"
        lock = folder / "locks" / "run"
        assert lock.stat().st_uid == OWNER_A and lock.stat().st_mode & 0o777 == 0o666 & ~mask
        assert as_user(OWNER_B, 0o002, lambda: claimed(folder)) == "True"
        assert claim_module.OWNER.fullmatch(lock.read_bytes())
        assert lock.stat().st_uid == (OWNER_A if mask == 0o002 else OWNER_B)


@needs_root
@pytest.mark.parametrize("mask", [0o002, 0o022])
def test_a_running_process_of_another_user_keeps_its_lock(mask: int) -> None:
    with shared_folder() as folder:
        before = os.umask(mask)
        try:
            with Store(folder).claim("run") as mine:
                assert mine
                (folder / "locks").chmod(0o2777)
                assert as_user(OWNER_B, 0o002, lambda: claimed(folder)) == "False"
                assert (folder / "locks" / "run").stat().st_uid == 0
        finally:
            os.umask(before)


@needs_root
def test_an_unreadable_lock_is_refused_by_name() -> None:
    with shared_folder() as folder:
        (folder / "locks").mkdir()
        (folder / "locks").chmod(0o2777)
        assert as_user(OWNER_A, 0o077, lambda: claimed(folder)) == "True"
        said = as_user(OWNER_B, 0o002, lambda: claimed(folder))
        assert said.startswith("PermissionError: ") and "another user's lock" in said and "locks/run" in said
        assert "umask 002" in said and (folder / "locks" / "run").stat().st_uid == OWNER_A


@needs_root
def test_another_users_pipe_does_not_block() -> None:
    with shared_folder() as folder:
        (folder / "locks").mkdir()
        os.mkfifo(folder / "locks" / "run", 0o644)
        assert "not a lock file" in as_user(OWNER_B, 0o002, lambda: claimed(folder))


@needs_root
def test_an_unwritable_store_is_refused_by_name() -> None:
    with shared_folder() as folder:
        folder.chmod(0o755)
        said = as_user(OWNER_B, 0o022, lambda: claimed(folder))
        assert said.startswith("PermissionError: ") and str(folder) in said
