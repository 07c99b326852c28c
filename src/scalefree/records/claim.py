"""One owner a run: a kernel lock where processes share a kernel, a heartbeat where they share only a file system.

On one machine the kernel's lock says everything: it ends with its process, however that dies. Between machines that
share a file system the lock may not be seen (whether it is depends on the file system), so the owner also writes
into the lock file who it is and, every HEARTBEAT seconds, a new count. Whoever finds the file of an owner on another
machine watches it: a count that changes has a living owner, one that stands still for LEASE seconds has a dead one.
Only a waiter's own monotonic clock is read, so no two clocks need agree and none may be set back wrongly.

Users who share a store share its locks: the umask says who may write one. The file that a dead owner left and that is
another user's to write is replaced, which takes the right to write its folder only.

Its limit: where the file system does not carry locks from machine to machine, two claims within the same second may
both succeed, and so may one on a run whose owner was suspended for more than LEASE seconds. Both then compute the
same record, and files appear whole or not at all; what is lost is time.
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
# A file system that has no locks answers with one of these, NFS with EBADF for a file that may only be read.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
# What a heartbeat writes: machine, host, process, count.
OWNER = re.compile(rb"(?P<machine>\S+) \S+ \d+ \d+\n")
# More than that is, and all that is ever read of a file.
MOST = 1000

log = logging.getLogger(__name__)


@functools.cache
def machine() -> str:
    """What tells this running kernel from any other, reboots of the same machine included."""
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
    """Whether the file's content becomes another one within LEASE seconds."""
    deadline = time.monotonic() + LEASE
    while time.monotonic() < deadline:
        time.sleep(min(1.0, LEASE / 10))
        if _content(path) != first:
            return True
    return False


class _Heartbeat:
    """Writes `machine host pid count` into the lock file from a thread, again and again until it is stopped."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.count = 0
        self.stopped = threading.Event()
        self.beat()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def beat(self) -> None:
        """One count more. A full disk refuses it; the kernel's lock still holds then."""
        self.count += 1
        text = f"{machine()} {socket.gethostname()} {os.getpid()} {self.count}\n".encode()
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, os.pwrite(self.descriptor, text, 0))
            os.fsync(self.descriptor)

    def _run(self) -> None:
        while not self.stopped.wait(HEARTBEAT):
            self.beat()

    def stop(self) -> None:
        """Wait for a beat under way and let no other follow."""
        self.stopped.set()
        self.thread.join()


def _lock(descriptor: int) -> bool | None:
    """True: locked. False: another process has it. None: this file system has no locks."""
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
    """The lock file, made if it is missing, and whether it may be written; one that may only be read can be locked.

    Raises:
        OSError: naming the file: it can neither be made nor read, or it is something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not through a link, so that a heartbeat never overwrites what a link points to; and not waiting for a pipe.
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    # Linux may refuse to "create" another user's file that is there where it lets us write it.
    for access in (os.O_RDWR | os.O_CREAT, os.O_RDWR, os.O_RDONLY):
        try:
            descriptor = os.open(path, access | flags, 0o666)
        except PermissionError:
            continue
        except FileNotFoundError:  # it was not the file that refused, but its folder
            break
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a lock but something else; remove it", str(path))
        return descriptor, access != os.O_RDONLY
    what = "another user's lock, who may be training this run" if path.exists() else "no permission to make a lock"
    raise PermissionError(errno.EACCES, f"{what}; a store is shared with umask 002", str(path))


def _is_current(path: Path, descriptor: int) -> bool:
    """Whether the opened file is still the one at `path`: an owner before us may have removed it."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    return False


def _is_owned_elsewhere(path: Path, descriptor: int, locked: bool) -> bool:
    """Whether a living owner whose lock the kernel does not show has written the file."""
    content = os.pread(descriptor, MOST, 0)
    owner = OWNER.fullmatch(content)
    if content and owner is None:
        log.warning("%s is not what an owner writes (it begins with %r); it is written anew", path, content[:20])
    # Where the kernel's lock speaks for all possible owners, an earlier owner of this machine is dead.
    if locked and (owner is None or owner["machine"] == machine().encode()):
        return False
    return content != b"" and _beating(path, content)


def _take(path: Path) -> int | None:
    """The opened file, locked and to be written; None when a living process owns it."""
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
    """Own what the file at `path` stands for while the block lasts; yields False when a living process owns it.

    Takes up to HEARTBEAT seconds to find the owner on another machine alive, and LEASE seconds to find it dead.

    Raises:
        OSError: naming the file: a full or read-only file system, or another user's file that can neither be written
            nor removed.
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
        # The lock ends with its descriptor; a file that cannot be removed must not hide why the block ended.
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)
