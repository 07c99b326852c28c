"""Where a record may be: in its own folder or in an archive. Both are read and checked alike."""

import functools
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.records.archive import Archive
from scalefree.records.arrays import check_curves, check_histograms, curve_wanted, histogram_wanted
from scalefree.records.checksums import arrays_checksum
from scalefree.records.reading import LARGEST_ARCHIVE, LARGEST_DOCUMENT, Arrays, Shape, arrays_of, parse, read_file
from scalefree.records.record import Record, RecordError, from_document


class Place(ABC):
    """May contain the record of the run `name`; `path` names the place in messages."""

    # What to do about a damaged document, and about damaged arrays.
    remedies: tuple[str, str]

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    @abstractmethod
    def read_file(self, file: str, largest: int) -> bytes:
        """The content of one of its files; raises OSError or ValueError if it is missing or unreadable."""

    def record(self) -> Record | None:
        """The record, or None if there is none.

        Raises:
            RecordError: the document is damaged, foreign or mislabelled.
        """
        path, remedy = self.path / "record.json", self.remedies[0]
        try:
            document = parse(self.read_file("record.json", LARGEST_DOCUMENT).decode())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise RecordError(f"{path} is not readable ({error.strerror}); its owner can change that") from None
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} is damaged ({error}); {remedy}") from None
        record = from_document(document, str(path), remedy)
        if record.name != self.name:
            raise RecordError(f"{path} is the record of {record.name}; move it to the directory with that name")
        return record

    def _arrays(
        self,
        record: Record,
        stem: str,
        wanted: Callable[[Record, str, np.dtype[Any], Shape], None],
        check: Callable[[Record, Arrays], None],
    ) -> dict[str, npt.NDArray[Any]]:
        try:
            file = self.read_file(f"{stem}.npz", LARGEST_ARCHIVE)
            arrays = arrays_of(io.BytesIO(file), functools.partial(wanted, record))
            check(record, arrays)
            if record.array_checksums and arrays_checksum(arrays) != record.array_checksums[stem]:
                raise ValueError("its checksum differs from the record's")
        except Exception as error:  # NumPy, zipfile and zlib raise many kinds, all with the same meaning here
            raise RecordError(
                f"{self.path / stem}.npz is damaged, missing or another record's ({error}); {self.remedies[1]}"
            ) from None
        return arrays

    def curves(self, record: Record) -> dict[str, npt.NDArray[Any]]:
        """Arrays with one row per epoch, in the order in which they were written.

        Raises:
            RecordError: they are damaged or do not belong to this record.
        """
        return self._arrays(record, "curves", curve_wanted, check_curves)

    def histograms(self, record: Record) -> dict[str, npt.NDArray[Any]]:
        """Histograms with one row per measurement.

        Raises:
            RecordError: they are damaged or do not belong to this record.
        """
        return self._arrays(record, "histograms", histogram_wanted, check_histograms)

    def whole(self) -> tuple[Record, Arrays, Arrays] | None:
        """A result with its curves and histograms, all read and checked; None if there is no result.

        Raises:
            RecordError: the document is damaged or mislabelled, or the arrays are damaged or another run's.
        """
        record = self.record()
        if record is None or not record.outcome.is_result:
            return None
        return record, self.curves(record), self.histograms(record)


class Folder(Place):
    """A directory with a record's files."""

    remedies = "remove it and train the run again", "remove the directory and train again"

    def read_file(self, file: str, largest: int) -> bytes:
        return read_file(self.path / file, largest)


class Archived(Place):
    """A result in an archive that is known to contain the name."""

    remedies = "fetch the archive again", "fetch the archive again"

    def __init__(self, archive: Archive, name: str) -> None:
        super().__init__(archive.path / name, name)
        self.archive = archive

    def read_file(self, file: str, largest: int) -> bytes:
        return self.archive.read(self.name, file)

    def record(self) -> Record | None:
        record = super().record()
        if record is not None and not record.outcome.is_result:
            raise RecordError(
                f"{self.path} is the record of a failure, which an archive never contains; {self.remedies[0]}"
            )
        return record
