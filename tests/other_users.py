"""Acts as another user in a forked process, which needs root."""

import contextlib
import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
GROUP = 30000


def as_user(number: int, umask: int, action: Callable[[], object]) -> str:
    """What `action` returned, as text, or the exception that it raised; the process ends without cleaning up."""
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads, which the child does not use
        child = os.fork()
    if child == 0:
        signal.alarm(120)  # so that nobody waits for it forever
        os.setgroups([])
        os.setgid(GROUP)
        os.setuid(number)
        os.umask(umask)
        try:
            said = str(action())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(send, said.encode())
        os._exit(0)
    os.close(send)
    with open(receive, "rb") as file:
        said = file.read().decode()
    os.waitpid(child, 0)
    return said


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder that all members of GROUP can reach and write to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, -1, GROUP)
        folder.chmod(0o2775)
        yield folder
