"""One owner a run: a kernel lock where processes share a kernel, a heartbeat where they share only a file system.

On one machine the kernel's lock says everything: it ends with its process, however that dies. Between machines that
share a file system the lock may not be seen (whether it is depends on the file system), so the owner also writes
into the lock file who it is and, every HEARTBEAT seconds, a new count. Whoever finds the file of an owner on another
machine watches it: a count that changes has a living owner, one that stands still for LEASE seconds has a dead one.
Only a waiter's own monotonic clock is read, so no two clocks need agree and none may be set back wrongly.

Its limit: where the file system does not carry locks from machine to machine, two claims within the same second may
both succeed, and so may one on a run whose owner was suspended for more than LEASE seconds. Both then compute the
same record, and files appear whole or not at all; what is lost is time.
"""

import contextlib
import errno
import fcntl
import functools
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

HEARTBEAT = 10.0
LEASE = 60.0
# A file system that has no locks answers with one of these.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@functools.cache
def machine() -> str:
    """What tells this running kernel from any other, reboots of the same machine included."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname()


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _beating(path: Path, first: str) -> bool:
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


@contextlib.contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Own what the file at `path` stands for while the block lasts; yields False when a living process owns it.

    Takes up to HEARTBEAT seconds to find the owner on another machine alive, and LEASE seconds to find it dead.

    Raises:
        OSError: the file cannot be made: a full or read-only file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        locked = _lock(descriptor)
        if locked is False:
            os.close(descriptor)
            yield False
            return
        owner = os.pread(descriptor, 1000, 0).decode(errors="replace")
        # Where the kernel's lock speaks for all possible owners, an earlier owner of this machine is dead.
        elsewhere = owner != "" and (locked is None or owner.split()[0] != machine())
        if elsewhere and _beating(path, owner):
            os.close(descriptor)
            yield False
            return
        # Since the file was opened, the owner before us may have removed it: then this lock is void.
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                break
        os.close(descriptor)
    heartbeat = _Heartbeat(descriptor)
    try:
        yield True
    finally:
        heartbeat.stop()
        # The lock ends with its descriptor; a file that cannot be removed must not hide why the block ended.
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)
