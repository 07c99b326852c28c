"""wandb's local folders, one per session: `offline-run-<start>-<id>`, or `run-<start>-<id>` if online.

A second session of the same run in the same second ends in `-1`, and so on.

They are read with `wandb leet inspect`, the reader that wandb ships for its own files.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = re.compile(r"(?P<offline>offline-)?run-(?P<start>\d{8}_\d{6})-(?P<id>[^/-]+)(?:-(?P<again>\d+))?")


@dataclass(frozen=True)
class Session:
    """One start of a run, as a folder; `again` counts earlier sessions of it that started in the same second."""

    folder: Path
    run_id: str
    start: str
    again: int
    offline: bool

    @property
    def log(self) -> Path:
        """wandb's file of everything that was logged."""
        return self.folder / f"run-{self.run_id}.wandb"

    @property
    def is_synced(self) -> bool:
        """Whether `wandb sync` has uploaded it, leaving a marker next to the log."""
        return self.log.with_suffix(".wandb.synced").exists()

    def rows(self) -> list[dict[str, Any]]:
        """Every entry of the log, in order.

        Raises:
            ValueError: the log is missing, damaged or not wandb's.
        """
        if not self.log.is_file():  # wandb would wait forever for a pipe
            raise ValueError(f"{self.log} is missing or is not a regular file")
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(self.log)]
        told = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if told.returncode:
            raise ValueError(f"{self.folder} is not readable by wandb: {told.stderr.strip() or told.stdout.strip()}")
        try:
            return [json.loads(line) for line in told.stdout.splitlines()]
        except RecursionError:
            raise ValueError(f"{self.log} is nested too deep") from None


def sessions(folder: Path) -> list[Session]:
    """All sessions in a wandb folder, in the order in which they started."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _FOLDER.fullmatch(path.name)
        if match and path.is_dir():
            again = int(match["again"] or 0)
            found.append(Session(path, match["id"], match["start"], again, match["offline"] is not None))
    return sorted(found, key=lambda session: (session.start, session.run_id, session.again))


def newest(found: list[Session]) -> dict[str, Session]:
    """The last session of each run, in order of starting. It contains the whole run: see `WandbTracker`."""
    last = {session.run_id: session for session in found}
    return {run_id: last[run_id] for run_id in sorted(last, key=lambda run_id: (last[run_id].start, run_id))}
