"""The store: one directory per run under `RESULTS/runs/`, written atomically, in standard formats.

A run is done when its `record.json` exists: the arrays are written before it, and each file is complete or absent.
Records kept in git are in `RESULTS/archives/<profile>.zip` (`archiving.py`). Both are read, and an archived run counts
as done. Any number of processes may read and write one store; `claim` gives a run to one of them at a time.
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
from scalefree.records.archive import say_once, sound_archives
from scalefree.records.arrays import check_curves, check_histograms
from scalefree.records.checksums import as_text, sealed
from scalefree.records.claim import claim
from scalefree.records.comparison import content, differences
from scalefree.records.places import Archived, Folder, Place
from scalefree.records.reading import Arrays, parse
from scalefree.records.record import Record, RecordError, record_of

log = logging.getLogger(__name__)


class ResultExists(Exception):
    """The store already has a result of this run, and results are never replaced; nothing was written."""


class Store:
    """Records by name and by identity below `root` (the RESULTS directory, which need not exist yet)."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()

    @property
    def archives(self) -> Path:
        """The folder of archives, which need not exist."""
        return self.root / "archives"

    def directory(self, name: str) -> Path:
        """The directory of the run of that name, whether it exists or not."""
        return self.root / "runs" / name

    def write(self, record: Record, curves: Arrays, histograms: Arrays) -> Path:
        """Add a record, writing the JSON document last; returns its directory. Only a failure's record is ever
        replaced.

        Raises:
            OSError: the disk is full or the directory read-only; no record.json then exists.
            RecordError: the record could not be read back, or an existing one cannot be read.
            ResultExists: there is already a result.
        """
        directory = self.directory(record.name)
        try:
            text = as_text(sealed(record.document(), curves, histograms))
            record_of(parse(text.decode()))
            if record.outcome.is_result:
                check_curves(record, curves)
                check_histograms(record, histograms)
        except ValueError as error:
            raise RecordError(f"{directory} was not written, because it could not be read back ({error})") from None
        with contextlib.ExitStack() as files:
            # What is entered last is put in place first, so the document follows its arrays.
            document = files.enter_context(atomic_write(directory / "record.json"))
            document.write(text)
            for stem, arrays in (("histograms", histograms), ("curves", curves)):
                named: dict[str, Any] = dict(arrays)  # NumPy's own keywords follow the names
                np.savez_compressed(files.enter_context(atomic_write(directory / f"{stem}.npz")), **named)
            # Checked again at the last moment: a process that was suspended for long no longer owns its run.
            if self.result(record.name) is not None:
                raise ResultExists(f"{self.place(record.name)} already has a result, which is kept")
        return directory

    def checkpoint(self, name: str) -> Path:
        """The path of a run's checkpoint, which exists while it has no result."""
        return self.directory(name) / "checkpoint.pt"

    def prepare(self, name: str) -> None:
        """Make a run's directory, in which its record will be written.

        Raises:
            OSError: no record could be written there, which is better to know before training than after.
        """
        directory = self.directory(name)
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            why = "not writable, so its record could not be written; to share a store, use umask 002"
            raise PermissionError(errno.EACCES, why, str(directory))

    def _places(self, name: str) -> list[Place]:
        """Where the run's record may be: first archives that contain it, then its folder."""
        archives = sound_archives(self.archives, name)
        return [*(Archived(archive, name) for archive in archives), Folder(self.directory(name), name)]

    def place(self, name: str) -> Path:
        """Where the run's record is, for messages: in an archive, otherwise in its directory."""
        return self._places(name)[0].path

    def names(self) -> list[str]:
        """The sorted names of all runs with a directory or an archived record."""
        found: set[str] = set()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for path in (self.root / "runs").iterdir():
                if path.is_dir():
                    found.add(path.name)
                elif path.is_symlink():
                    say_once(f"left out: {path} is a broken link; repair or remove it")
        return sorted(found.union(*(archive.names() for archive in sound_archives(self.archives))))

    def read(self, name: str) -> Record | None:
        """The record of that name, or None; a result's curves have been checked against it.

        Raises:
            RecordError: the document is damaged, foreign or mislabelled, the curves are not its own, or two results of
                the run differ.
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
                    f"{other.path} and {place.path} have different results of the same run "
                    f"({', '.join(differing)} differ); remove one of them"
                )
        return record

    def whole(self, name: str) -> tuple[Record, Arrays, Arrays] | None:
        """A result with its curves and histograms, all read and checked; None if there is no result.

        Raises:
            RecordError: as in `read`, or the arrays are damaged or another run's.
        """
        record = self.result(name)
        return None if record is None else (record, self.curves(record), self.histograms(record))

    def result(self, name: str) -> Record | None:
        """The record of that name; None if there is none or it is that of a failure.

        Raises:
            RecordError: as in `read`.
        """
        record = self.read(name)
        return record if record is not None and record.outcome.is_result else None

    def has_result(self, name: str) -> bool:
        """Whether there is a readable result; a damaged one will be reported when its run is read."""
        try:
            return self.result(name) is not None
        except RecordError:
            return False

    def records(self) -> dict[str, Record]:
        """All readable records by identity; damaged ones are reported and left out, never guessed.

        No two have the same identity, because it determines a record's name and so its directory.
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
        """Remove what finished or killed trainings of a run left behind, once the run has a result.

        These are the checkpoint, temporary files and the lock. Nobody needs them any more, so any process may do this;
        it is not an error if something cannot be removed.
        """
        for leftover in (self.checkpoint(name), *self.directory(name).glob(".*.tmp"), self.root / "locks" / name):
            with contextlib.suppress(OSError):
                leftover.unlink()

    def claim(self, name: str) -> contextlib.AbstractContextManager[bool]:
        """Own a run during the block; False if a living process, here or on another machine, owns it."""
        return claim(self.root / "locks" / name)

    def note(self, name: str, text: str) -> None:
        """Add a line to the run's own log, `run.log`, for when it started, resumed, was interrupted, failed or ended.

        The log is for people. If the line cannot be written (a full disk), it is dropped.
        """
        path = self.directory(name) / "run.log"
        when = datetime.now(UTC).isoformat(timespec="seconds")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Non-blocking, because the path may be a pipe that nobody reads.
            with open(
                path,
                "a",
                encoding="utf-8",
                errors="backslashreplace",
                opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK, 0o666),
            ) as file:
                file.write(f"{when} {socket.gethostname()} {os.getpid()}: {text.rstrip()}\n")
