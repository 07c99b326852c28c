"""Files that are either whole or not there."""

import contextlib
import errno
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

# What a file system answers that cannot flush (CIFS and some FUSE mounts their folders), and one that lets nobody open
# the folder. A disk that is full or broken answers otherwise.
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


# What was said once in this process, which may write thousands of files.
_said: set[int] = set()


@contextlib.contextmanager
def _if_it_can(path: Path) -> Iterator[None]:
    """A flush of what is at `path`; a file system that has none is named, and the file is there all the same."""
    try:
        yield
    except OSError as error:
        if error.errno not in CANNOT_FLUSH:
            raise
        if error.errno not in _said:
            log.warning(
                "the file system of %s refuses to flush (%s); files written there are whole, but a loss of power may "
                "cost the newest",
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
    """A binary file that appears under `path` only when the block ends without an exception.

    Written beside its target, flushed to the disk, renamed over it, and the directory flushed too, so that a
    process killed at any moment leaves the old file or the new one. Its permissions are `mode` as the umask (or the
    folder) leaves it; nothing is asked of the file system that some refuse, as chmod.

    Raises:
        OSError: naming `path`: a full or read-only file system, a folder that may not be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not by tempfile, whose files are their owner's alone whatever the umask says.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            with _if_it_can(path):
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        # Whatever keeps it from being removed must not hide why there is something to remove.
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)) and error.filename2 is None:
            error.filename = str(path)
        raise
    with _if_it_can(path):
        _flush_folder(path.parent)
