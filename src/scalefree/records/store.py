"""The store: one directory a run under `RESULTS/runs/`, written atomically, readable by anything.

A run is done when its `record.json` is there: the arrays are written before it, each file whole or absent.
Any number of processes may read and write one store; `claim` gives a run to one of them at a time.
"""

import contextlib
import errno
import json
import logging
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.files import atomic_write
from scalefree.records.claim import claim
from scalefree.records.record import Record, RecordError, from_document

Arrays = Mapping[str, npt.NDArray[Any]]
log = logging.getLogger(__name__)


class Store:
    """Records by name and by identity below `root` (the RESULTS directory, which need not exist yet)."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()

    def directory(self, name: str) -> Path:
        """Where the run of that name lies, whether it exists or not."""
        return self.root / "runs" / name

    def write(self, record: Record, curves: Arrays, histograms: Arrays) -> Path:
        """Add a record, the JSON document last; returns its directory.

        Raises:
            OSError: a full disk or a read-only directory; then no record.json exists.
        """
        directory = self.directory(record.name)
        for stem, arrays in (("curves", curves), ("histograms", histograms)):
            with atomic_write(directory / f"{stem}.npz") as file:
                named: dict[str, Any] = dict(arrays)  # NumPy's own keywords follow the names
                np.savez_compressed(file, **named)
        with atomic_write(directory / "record.json") as file:
            file.write(json.dumps(record.document(), indent=1, allow_nan=False).encode() + b"\n")
        return directory

    def prepare(self, name: str) -> None:
        """Make a run's directory, in which its record will be written.

        Raises:
            OSError: no record could be written there; better known before a training than after it.
        """
        directory = self.directory(name)
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            why = "not writable, so its record could not be either; a store is shared with umask 002"
            raise PermissionError(errno.EACCES, why, str(directory))

    def read(self, name: str) -> Record | None:
        """The record of that name, None if there is none.

        Raises:
            RecordError: a truncated, foreign or mislabelled document.
        """
        path = self.directory(name) / "record.json"
        try:
            document = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise RecordError(f"{path} may not be read ({error.strerror}); its owner can allow it") from None
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} is damaged ({error}); remove it and train the run again") from None
        record = from_document(document, str(path))
        if record.name != name:
            raise RecordError(f"{path} is the record of {record.name}; move it to the directory of that name")
        return record

    def result(self, name: str) -> Record | None:
        """The record of that name, None if there is none or it is a failure's.

        Raises:
            RecordError: a truncated, foreign or mislabelled document.
        """
        record = self.read(name)
        return record if record is not None and record.outcome.is_result else None

    def records(self) -> dict[str, Record]:
        """All readable records by identity; a damaged one is reported and left out, never guessed."""
        found = {}
        for path in sorted(self.root.glob("runs/*/record.json")):
            try:
                record = self.read(path.parent.name)
            except RecordError as error:
                log.warning("left out: %s", error)
                continue
            if record is not None:
                found[record.identity] = record
        return found

    def _arrays(self, name: str, stem: str) -> dict[str, npt.NDArray[Any]]:
        path = self.directory(name) / f"{stem}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except Exception as error:  # NumPy, zipfile and zlib raise many kinds, and each means the same here
            raise RecordError(f"{path} is damaged or missing ({error}); remove the directory and train again") from None

    def curves(self, record: Record) -> dict[str, npt.NDArray[Any]]:
        """Arrays with one row an epoch."""
        return self._arrays(record.name, "curves")

    def histograms(self, record: Record) -> dict[str, npt.NDArray[Any]]:
        """Update-scale histograms, one row a measured epoch."""
        return self._arrays(record.name, "histograms")

    def remove_leftovers(self, name: str) -> None:
        """Remove what trainings of a run left behind whose result is there, its owner's or those that were killed.

        That is the checkpoint, files that were being written, and the lock. Nobody needs them any more, so this is
        for anyone to do; what cannot be removed stays, and is no failure.
        """
        directory = self.directory(name)
        for leftover in (directory / "checkpoint.pt", *directory.glob(".*.tmp"), self.root / "locks" / name):
            with contextlib.suppress(OSError):
                leftover.unlink()

    def claim(self, name: str) -> contextlib.AbstractContextManager[bool]:
        """Own a run while the block lasts; False when a living process owns it, here or on another machine."""
        return claim(self.root / "locks" / name)

    def note(self, name: str, text: str) -> None:
        """Add to the run's own log, `run.log`: when it started, went on, was interrupted, failed and ended.

        The log is for people. What cannot be written (a full disk) is left out.
        """
        path = self.directory(name) / "run.log"
        when = datetime.now(UTC).isoformat(timespec="seconds")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{when} {socket.gethostname()} {os.getpid()}: {text.rstrip()}\n")
