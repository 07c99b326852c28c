"""The store: one directory per run under `RESULTS/runs/`, written atomically, readable by anything.

A run is done when its `record.json` is there: the arrays are written before it, each file whole or absent. Records that
are kept in git lie in `RESULTS/archives/<profile>.zip` (`archiving.py`). Readers see both, and an archived run is done.
Any number of processes may read and write one store; `claim` gives a run to one of them at a time.
"""

import contextlib
import errno
import logging
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.files import atomic_write
from scalefree.records.archive import sound_archives
from scalefree.records.arrays import check_curves, check_histograms
from scalefree.records.checksums import as_text, sealed
from scalefree.records.claim import claim
from scalefree.records.comparison import content, differences
from scalefree.records.places import Archived, Folder, Place
from scalefree.records.reading import Arrays, parse
from scalefree.records.record import Record, RecordError, record_of

log = logging.getLogger(__name__)


class ResultExists(Exception):
    """The store has a result of this run already, and nothing takes a result's place; nothing was written."""


class Store:
    """Records by name and by identity below `root` (the RESULTS directory, which need not exist yet)."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()

    @property
    def archives(self) -> Path:
        """The folder of the archives, which need not exist."""
        return self.root / "archives"

    def directory(self, name: str) -> Path:
        """Where the run of that name lies, whether it exists or not."""
        return self.root / "runs" / name

    def write(self, record: Record, curves: Arrays, histograms: Arrays) -> Path:
        """Add a record, the JSON document last; returns its directory. Only a failure's record is ever replaced.

        Raises:
            OSError: a full disk or a read-only directory; then no record.json exists.
            RecordError: a record that could not be read again, or one that is there and cannot be read.
            ResultExists: there is a result already.
        """
        directory = self.directory(record.name)
        try:
            text = as_text(sealed(record.document(), curves, histograms))
            record_of(parse(text.decode()))
            if record.outcome.is_result:
                check_curves(record, curves)
                check_histograms(record, histograms)
        except ValueError as error:
            raise RecordError(f"{directory} is not written: nothing could read it again ({error})") from None
        with contextlib.ExitStack() as files:
            # What is entered last is put in place first: the document comes after its arrays.
            document = files.enter_context(atomic_write(directory / "record.json"))
            document.write(text)
            for stem, arrays in (("histograms", histograms), ("curves", curves)):
                named: dict[str, Any] = dict(arrays)  # NumPy's own keywords follow the names
                np.savez_compressed(files.enter_context(atomic_write(directory / f"{stem}.npz")), **named)
            # Asked again at the last moment: whoever was suspended for long no longer owns its run.
            if self.result(record.name) is not None:
                raise ResultExists(f"{self.place(record.name)} holds a result already; it stays")
        return directory

    def checkpoint(self, name: str) -> Path:
        """Where a run's state between two steps lies while it has no result."""
        return self.directory(name) / "checkpoint.pt"

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

    def _places(self, name: str) -> list[Place]:
        """Where the run's record may lie: in archives that hold it, then in its folder."""
        archives = sound_archives(self.archives, name)
        return [*(Archived(archive, name) for archive in archives), Folder(self.directory(name), name)]

    def place(self, name: str) -> Path:
        """Where the run's record lies, for people: in an archive, or else in its directory."""
        return self._places(name)[0].path

    def names(self) -> list[str]:
        """All runs of which there is a directory or an archived record, sorted."""
        found: set[str] = set()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.update(path.name for path in (self.root / "runs").iterdir() if path.is_dir())
        return sorted(found.union(*(archive.names() for archive in sound_archives(self.archives))))

    def read(self, name: str) -> Record | None:
        """The record of that name, None if there is none; a result's curves have been compared with it.

        Raises:
            RecordError: a document that is damaged, foreign or mislabelled, curves that are not its own, or two results
                of one run that differ.
        """
        found = [(place, record) for place in self._places(name) if (record := place.record()) is not None]
        results = [(place, record) for place, record in found if record.outcome.is_result]
        if not results:
            return found[0][1] if found else None
        (place, record), *others = results
        curves = place.curves(record)
        for other, twin in others:
            one = content(record, curves, place.histograms(record))
            if differing := differences(one, content(twin, other.curves(twin), other.histograms(twin))):
                raise RecordError(
                    f"{other.path} and {place.path} hold different results of one run "
                    f"(another {', '.join(differing)}); remove one of them"
                )
        return record

    def whole(self, name: str) -> tuple[Record, Arrays, Arrays] | None:
        """A result with its curves and histograms, all of it read and checked; None where there is no result.

        Raises:
            RecordError: as `read`, and arrays that are damaged or another run's.
        """
        record = self.result(name)
        return None if record is None else (record, self.curves(record), self.histograms(record))

    def result(self, name: str) -> Record | None:
        """The record of that name, None if there is none or it is a failure's.

        Raises:
            RecordError: as `read`.
        """
        record = self.read(name)
        return record if record is not None and record.outcome.is_result else None

    def has_result(self, name: str) -> bool:
        """Whether there is a result that can be read; what is damaged will be named when its run is asked for."""
        try:
            return self.result(name) is not None
        except RecordError:
            return False

    def records(self) -> dict[str, Record]:
        """All readable records by identity; a damaged one is reported and left out, never guessed.

        No two of them have one identity, which decides a record's name, and so its directory.
        """
        found = {}
        for name in self.names():
            try:
                record = self.read(name)
            except RecordError as error:
                log.warning("left out: %s", error)
                continue
            if record is not None:
                found[record.identity] = record
        return found

    def curves(self, record: Record) -> dict[str, npt.NDArray[Any]]:
        """As `Place.curves`."""
        return self._places(record.name)[0].curves(record)

    def histograms(self, record: Record) -> dict[str, npt.NDArray[Any]]:
        """As `Place.histograms`."""
        return self._places(record.name)[0].histograms(record)

    def remove_leftovers(self, name: str) -> None:
        """Remove what trainings of a run left behind whose result is there, its owner's or those that were killed.

        That is the checkpoint, files that were being written, and the lock. Nobody needs them any more, so this is
        for anyone to do; what cannot be removed stays, and is no failure.
        """
        for leftover in (self.checkpoint(name), *self.directory(name).glob(".*.tmp"), self.root / "locks" / name):
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
            # Not blocking: what lies in its place may be a pipe that nobody reads.
            with open(
                path,
                "a",
                encoding="utf-8",
                errors="backslashreplace",
                opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK, 0o666),
            ) as file:
                file.write(f"{when} {socket.gethostname()} {os.getpid()}: {text.rstrip()}\n")
