"""Streams that are closed, full, broken or in another encoding: output may be lost, but runs are not."""

import errno
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scalefree.records import Store
from scalefree.streams import _open_descriptors, begin
from scripts.entry import ENVIRONMENT, SCRIPTS, command

TINY = ("dataset.per_class=20", "model.depth=8", "model.width=4", "training.epochs=1", "tracking=none", "device=cpu")


@pytest.fixture
def streams_restored() -> Iterator[None]:
    before = sys.stdout, sys.stderr
    yield
    assert (sys.stdout, sys.stderr) == before, "the streams were not restored"


def redirected(folder: Path, how: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script with its streams redirected by a shell."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {how}', "sh", *command(*arguments)],
        cwd=folder,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "", **environment},
        capture_output=True,
        text=True,
    )


FULL = "error: standard output could not be written: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    ("multirun", "how", "said"),
    [
        (False, "2>&-", ""),
        (False, "<&- >&- 2>&-", ""),
        (False, ">/dev/full", FULL),
        (False, ">/dev/full 2>/dev/full", ""),
        (True, "<&- >&- 2>&-", ""),
        (True, ">/dev/full", FULL),
    ],
)
def test_a_run_finishes_whatever_its_streams(multirun: bool, how: str, said: str, tmp_path: Path) -> None:
    """The store's files do not get closed descriptors, so nothing foreign is written into them."""
    many = ("-m", "hydra.launcher.jobs=1") if multirun else ()
    done = redirected(tmp_path, how, "train.py", *many, *TINY, "results_dir=store")
    assert (done.returncode, done.stderr) == (0, said)
    (record,) = Store(tmp_path / "store").records().values()
    assert record.outcome.status == "completed"
    left = {path.name for path in Store(tmp_path / "store").directory(record.name).iterdir()}
    assert left == {"record.json", "curves.npz", "histograms.npz", "run.log"}


LIBRARY = """
import os, sys
from scalefree.streams import begin
def main():
    with open("record", "wb") as file:
        os.write(2, b"said by a library")
        file.write(b"content")
    return 0
sys.exit(begin(main))
"""


def test_output_of_a_library_does_not_get_into_a_file(tmp_path: Path) -> None:
    """Otherwise the next file would get a closed stream's descriptor."""
    subprocess.run(
        ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", LIBRARY],
        cwd=tmp_path,
        env=ENVIRONMENT,
        check=True,
    )
    assert (tmp_path / "record").read_bytes() == b"content"


def test_characters_outside_the_encoding_are_escaped(tmp_path: Path) -> None:
    done = redirected(tmp_path, "", "train.py", *TINY, "results_dir='é'", PYTHONIOENCODING="ascii:strict")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[-1].partition(": ")[2].startswith("\\xe9/runs/")


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    done = redirected(tmp_path, "| true", "train.py", *TINY, "results_dir=store")
    assert done.stderr == "" and len(Store(tmp_path / "store").records()) == 1


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("status.py", ("profile=smoke",)), ("train.py", ("--cfg", "job")), ("train.py", ("--help",))],
    ids=["status", "cfg", "help"],
)
def test_losing_the_output_is_a_failure_if_output_is_all_that_was_asked_for(
    script: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = redirected(tmp_path, ">/dev/full", script, *arguments)
    assert done.returncode == 1
    assert done.stderr == "error: standard output could not be written: [Errno 28] No space left on device\n"


def test_a_refusal_gives_exit_code_2_even_if_stderr_is_closed(tmp_path: Path) -> None:
    assert redirected(tmp_path, "2>&-", "train.py", "optimizer.lr=-1").returncode == 2


class Broken(io.StringIO):
    """A stream without a descriptor that fails on every write."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EIO, "Input/output error"), True),
        (ValueError("I/O operation on closed file"), True),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), False),
    ],
    ids=["a closed terminal", "a closed file", "a closed pipe"],
)
def test_the_exit_code_is_that_of_the_work(
    error: Exception,
    told: bool,
    streams_restored: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def main() -> int:
        print("words")
        print("more words", flush=True)
        return 7

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Broken(error))
        assert begin(main) == 7
        assert begin(lambda: print("words") or 0) == 0
        assert begin(lambda: print("words") or 0, only_says=True) == int(told)
    assert capsys.readouterr().err.count("error: standard output could not be written") == 3 * told


def test_a_file_system_error_is_reported_in_one_line(
    streams_restored: None, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> int:
        raise PermissionError(errno.EACCES, "Permission denied", "/store/figures")

    assert begin(main) == 1
    assert capsys.readouterr().err == "error: [Errno 13] Permission denied: '/store/figures'\n"


def test_a_bug_keeps_its_traceback(streams_restored: None) -> None:
    def main() -> int:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        begin(main)


def test_closed_descriptors_are_opened_before_a_file_can_get_them(streams_restored: None) -> None:
    saved = os.dup(0)
    try:
        os.close(0)
        _open_descriptors()
        with open(os.devnull) as file:
            assert file.fileno() > 2
        assert os.readlink("/proc/self/fd/0") == os.devnull and os.get_inheritable(0)
    finally:
        os.dup2(saved, 0)
        os.close(saved)


@pytest.mark.parametrize("script", [path.name for path in SCRIPTS.glob("*.py") if "__main__" in path.read_text()])
def test_every_script_starts_with_begin(script: str) -> None:
    (last,) = [line for line in (SCRIPTS / script).read_text().splitlines() if "sys.exit(" in line]
    assert "sys.exit(begin(main" in last


def test_without_stderr_there_is_no_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even outside the scripts: pythonw and daemons have no stderr."""
    from scalefree.training.progress import Reporter

    monkeypatch.setattr(sys, "stderr", None)
    with Reporter("run", 1) as report:
        report(1, {"batch_loss": 1.0})
    assert report.bar is None
