"""Files that are either complete or absent."""

import contextlib
import errno
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

# Errors of file systems that cannot flush (CIFS and some FUSE mounts cannot flush folders) or do not let the folder be
# opened. A full or broken disk gives other errors.
CANNOT_FLUSH = (
    errno.EINVAL,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EBADF,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
)


# Errors already reported by this process, which may write thousands of files.
_said: set[int] = set()


@contextlib.contextmanager
def _if_it_can(path: Path) -> Iterator[None]:
    """Let a flush of `path` fail with a warning if the file system cannot flush; the file has been written all the
    same.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_FLUSH:
            raise
        if error.errno not in _said:
            log.warning(
                "the file system of %s cannot flush (%s); files written there are complete, but the newest may be lost "
                "in a power cut",
                path.parent,
                error.strerror,
            )
        _said.add(error.errno)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_write(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A binary file that appears at `path` only when the block ends without an exception.

    It is written next to its target, flushed to disk and renamed over it, and the directory is flushed too, so that a
    process killed at any moment leaves either the old file or the new one. Its permissions are `mode`, as restricted by
    the umask or the folder; operations that some file systems refuse, such as chmod, are not used.

    Raises:
        OSError: naming `path`: the file system is full or read-only, or the folder is not writable.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not with tempfile, whose files are private to their owner whatever the umask.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            with _if_it_can(path):
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        # A failure to remove the file must not hide the original error.
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)) and error.filename2 is None:
            error.filename = str(path)
        raise
    with _if_it_can(path):
        _flush_folder(path.parent)
