"""Workers that misbehave, in a small module, which a new process imports quickly."""

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from scalefree.launching.reports import Report


def by_signal(pipe: Connection) -> None:
    """Dies before reading its task."""
    os.kill(os.getpid(), signal.SIGKILL)


def by_exit(pipe: Connection) -> None:
    """Dies before reading its task."""
    os._exit(3)


def slow_to_stop(pipe: Connection) -> None:
    """Finds seed 0 busy elsewhere; with seed 1 it stops the sweep and takes its time to save.

    Its report says how often seed 0 was handed out meanwhile.
    """
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    while (config := pipe.recv()) is not None:
        results = Path(config.results_dir)
        results.mkdir(exist_ok=True)
        if config.seed == 0:
            (results / str(time.monotonic_ns())).touch()
            pipe.send(Report("0", "busy elsewhere", "", 0.0))
            continue
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(0.2)
        handed_out = len(list(results.iterdir()))
        time.sleep(1.5)
        more = len(list(results.iterdir())) - handed_out
        pipe.send(Report("1", "interrupted", f"{more} more", 0.0))
        return
