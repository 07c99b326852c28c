"""Atomic writes: whole files or none, with the umask's permissions, on any file system."""

import errno
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalefree import files
from scalefree.files import atomic_write


@pytest.fixture(autouse=True)
def no_earlier_warnings() -> None:
    files._said.clear()


def write(path: Path, content: bytes = b"content", **mode: int) -> None:
    with atomic_write(path, **mode) as file:
        file.write(content)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_atomic_write_is_flushed_beside_its_target_before_renaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "folder" / "file"
    events: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor: int) -> None:
        events.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def watched_replace(source: Path, destination: Path) -> None:
        events.append(("replace", str(source)))
        assert source.parent == target.parent and source.read_bytes() == b"content"
        replace(source, destination)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write(target)
    temporary = events[1][1]
    assert events == [("fsync", temporary), ("replace", temporary), ("fsync", str(target.parent))]
    assert target.read_bytes() == b"content" and list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027, 0o077], ids=oct)
def test_the_umask_decides_the_permissions(mask: int, umask: Callable[[int], int], tmp_path: Path) -> None:
    umask(mask)
    for path in (tmp_path / "folder" / "new", tmp_path / "replaced"):
        path.parent.mkdir(exist_ok=True)
        if path.name == "replaced":
            path.touch(0o600)
        write(path)
        assert permissions(path) == 0o666 & ~mask
    assert permissions(tmp_path / "folder") & 0o777 == 0o777 & ~mask
    write(tmp_path / "private", mode=0o600)
    assert permissions(tmp_path / "private") == 0o600 & ~mask


def test_an_atomic_write_needs_no_chmod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for name in ("chmod", "fchmod", "chown", "utime"):
        monkeypatch.setattr(os, name, refuse)
    write(tmp_path / "folder" / "file")
    assert (tmp_path / "folder" / "file").read_bytes() == b"content"


def flush_answering(monkeypatch: pytest.MonkeyPatch, number: int, of: Callable[[int], bool]) -> None:
    """Makes fsync of files or of folders fail with this error."""
    fsync = os.fsync

    def answer(descriptor: int) -> None:
        if of(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", answer)


@pytest.mark.parametrize("of", [stat.S_ISDIR, stat.S_ISREG], ids=["folders", "files"])
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EPERM, errno.EISDIR])
def test_without_fsync_files_are_still_written_and_one_warning_is_given(
    number: int,
    of: Callable[[int], bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    flush_answering(monkeypatch, number, of)
    for name in ("a", "b", "b"):
        write(tmp_path / name / "file")
        assert [path.read_bytes() for path in (tmp_path / name).iterdir()] == [b"content"]
    (said,) = caplog.records
    assert said.levelno == logging.WARNING and str(tmp_path) in said.message and "\n" not in said.message


@pytest.mark.parametrize("of", [stat.S_ISDIR, stat.S_ISREG], ids=["folders", "files"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_broken_or_full_disk_is_an_error(
    number: int, of: Callable[[int], bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush_answering(monkeypatch, number, of)
    with pytest.raises(OSError) as raised:
        write(tmp_path / "file")
    assert raised.value.errno == number


def test_an_unreadable_folder_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = os.open

    def refuse(path: Any, flags: int, *rest: Any) -> int:
        if Path(path) == tmp_path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"content" and len(caplog.records) == 1


def test_an_error_names_the_target_and_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write(path, b"old")
    with pytest.raises(OSError) as raised, atomic_write(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(raised.value) == f"[Errno 28] No space left on device: '{path}'"
    opened = os.open

    def refuse(name: Any, *rest: Any) -> int:
        if str(name).endswith(".tmp"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))
        return opened(name, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError) as denied:
        write(path)
    assert str(denied.value) == f"[Errno 13] Permission denied: '{path}'"
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_an_error_about_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="another"), atomic_write(tmp_path / "file"):
        (tmp_path / "another").read_bytes()
