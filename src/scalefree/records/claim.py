"""One owner per run: a kernel lock between processes of one machine, a heartbeat between machines.

On one machine the kernel's lock is enough: it ends with its process, however that dies. Between machines that share a
file system the lock may not be visible, depending on the file system, so the owner also writes its identity and, every
HEARTBEAT seconds, a new count into the lock file. A process that finds a lock file of another machine watches it: if
the count changes, the owner is alive; if it stands still for LEASE seconds, the owner is dead. Only the waiting
process's own monotonic clock is used, so clocks need not agree and changing them does no harm.

Users who share a store share its locks; the umask determines who may write one. A dead owner's file that only another
user may write is replaced, which requires only write permission for its folder.

Limits: if the file system does not share locks between machines, two claims within the same second may both succeed,
and so may a claim on a run whose owner was suspended for more than LEASE seconds. Both then compute the same record,
and files appear completely or not at all, so only time is lost.
"""

import contextlib
import errno
import fcntl
import functools
import logging
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

HEARTBEAT = 10.0
LEASE = 60.0
# Errors of file systems without locks; NFS gives EBADF for a read-only file.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
# What a heartbeat writes: machine, host, process, count.
OWNER = re.compile(rb"(?P<machine>\S+) \S+ \d+ \d+\n")
# The most bytes read of a lock file, more than a heartbeat ever writes.
MOST = 1000

log = logging.getLogger(__name__)


@functools.cache
def machine() -> str:
    """An identifier of this running kernel, which changes when the machine is rebooted."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname()


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST)
    except FileNotFoundError:
        return b""


def _beating(path: Path, first: bytes) -> bool:
    """Whether the file's content changes within LEASE seconds."""
    deadline = time.monotonic() + LEASE
    while time.monotonic() < deadline:
        time.sleep(min(1.0, LEASE / 10))
        if _content(path) != first:
            return True
    return False


class _Heartbeat:
    """Keeps writing `machine host pid count` into the lock file from a thread until it is stopped."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.count = 0
        self.stopped = threading.Event()
        self.beat()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def beat(self) -> None:
        """Write the next count. On a full disk this fails, but the kernel's lock still holds."""
        self.count += 1
        text = f"{machine()} {socket.gethostname()} {os.getpid()} {self.count}\n".encode()
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, os.pwrite(self.descriptor, text, 0))
            os.fsync(self.descriptor)

    def _run(self) -> None:
        while not self.stopped.wait(HEARTBEAT):
            self.beat()

    def stop(self) -> None:
        """Wait for any beat in progress and prevent further ones."""
        self.stopped.set()
        self.thread.join()


def _lock(descriptor: int) -> bool | None:
    """True if locked, False if another process has the lock, None if this file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise
    return True


def _open(path: Path) -> tuple[int, bool]:
    """Open the lock file, creating it if missing; returns whether it is writable. A read-only file can be locked too.

    Raises:
        OSError: the file, which is named, can neither be created nor read, or is not a regular file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Do not follow links, so that a heartbeat never overwrites a link's target, and do not wait for pipes.
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    # Linux may refuse O_CREAT for another user's existing file even if we may write it.
    for access in (os.O_RDWR | os.O_CREAT, os.O_RDWR, os.O_RDONLY):
        try:
            descriptor = os.open(path, access | flags, 0o666)
        except PermissionError:
            continue
        except FileNotFoundError:  # the folder, not the file, refused access
            break
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a lock file; remove it", str(path))
        return descriptor, access != os.O_RDONLY
    what = (
        "another user's lock, and that user may be training this run"
        if path.exists()
        else "no permission to create a lock"
    )
    raise PermissionError(errno.EACCES, f"{what}; to share a store, use umask 002", str(path))


def _is_current(path: Path, descriptor: int) -> bool:
    """Whether the opened file is still the one at `path`; the previous owner may have removed it."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    return False


def _is_owned_elsewhere(path: Path, descriptor: int, locked: bool) -> bool:
    """Whether the file was written by a living owner whose lock this kernel cannot see."""
    content = os.pread(descriptor, MOST, 0)
    owner = OWNER.fullmatch(content)
    if content and owner is None:
        log.warning("%s is not a valid lock file (it begins with %r); it is rewritten", path, content[:20])
    # If we hold the kernel's lock, an earlier owner on this machine is dead.
    if locked and (owner is None or owner["machine"] == machine().encode()):
        return False
    return content != b"" and _beating(path, content)


def _take(path: Path) -> int | None:
    """The opened file, locked and writable; None if a living process owns it."""
    while True:
        descriptor, writable = _open(path)
        try:
            locked = _lock(descriptor)
            if locked is False or _is_owned_elsewhere(path, descriptor, locked is True):
                break
            if _is_current(path, descriptor):
                if writable:
                    return descriptor
                os.unlink(path)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)
            raise
        os.close(descriptor)
    os.close(descriptor)
    return None


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Own what the file at `path` stands for during the block; yields False if a living process owns it.

    Finding that an owner on another machine is alive takes up to HEARTBEAT seconds, that it is dead LEASE seconds.

    Raises:
        OSError: naming the file: the file system is full or read-only, or the file is another user's and can be neither
            written nor removed.
    """
    descriptor = _take(path)
    if descriptor is None:
        yield False
        return
    heartbeat = _Heartbeat(descriptor)
    try:
        yield True
    finally:
        heartbeat.stop()
        # The lock ends with its descriptor; a failure to remove the file must not hide why the block ended.
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)
