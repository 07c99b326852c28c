"""One process owns a run at a time, and a dead one owns nothing."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import scalefree
from scalefree.records import Store


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
