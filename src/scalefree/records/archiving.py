"""From run folders to an archive: whole records are moved, and nothing that is in an archive is ever replaced.

The archive is whole at every moment, and a folder is removed only after its record has been read back from there. So
a move that is killed leaves each record in one of the two or in both, and can be started again.
"""

import contextlib
import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scalefree.records.archive import FILES, Archive, add, sound_archives
from scalefree.records.checksums import as_text, sealed
from scalefree.records.comparison import Treated, content, differences
from scalefree.records.places import Archived, Folder, Place
from scalefree.records.reading import LARGEST_DOCUMENT, Arrays, parse
from scalefree.records.record import Record, RecordError
from scalefree.records.store import Store

Whole = tuple[Record, Arrays, Arrays]


class ArchiveBusy(Exception):
    """Another process is adding to this archive at this moment."""


def _unpacked(arrays: Arrays) -> bytes:
    """The arrays as an .npz file that the archive deflates as a whole: half of what they take one by one."""
    file = io.BytesIO()
    named: dict[str, Any] = dict(arrays)  # NumPy's own keywords follow the names
    np.savez(file, **named)
    return file.getvalue()


def _files(place: Place) -> Mapping[str, bytes]:
    """A result's files as they are put into an archive; the document is the folder's own and has checksums."""
    whole = place.whole()
    if whole is None:
        raise RecordError(f"{place.path} no longer contains a result; something else is changing this store")
    _, curves, histograms = whole
    text = place.read_file("record.json", LARGEST_DOCUMENT)
    document = parse(text.decode())
    return {
        # Records of early versions have no checksum.
        "record.json": text if "checksum" in document else as_text(sealed(document, curves, histograms)),
        "curves.npz": _unpacked(curves),
        "histograms.npz": _unpacked(histograms),
    }


def _digest(files: Mapping[str, bytes]) -> str:
    return " ".join(hashlib.sha256(files[file]).hexdigest() for file in FILES)


def _add_and_read_back(path: Path, folders: Mapping[str, Folder]) -> None:
    """Add these results to the archive and check that it contains them.

    Raises:
        OSError, RecordError, ValueError: it cannot be written, or what is read back differs from what was written.
    """
    digests: dict[str, str] = {}

    def packed(name: str) -> Mapping[str, bytes]:
        files = _files(folders[name])
        digests[name] = _digest(files)
        return files

    add(path, folders, packed)
    archive = Archive(path)
    for name, folder in folders.items():
        try:
            found = _digest({file: archive.read(name, file) for file in FILES})
        except ValueError as error:
            raise RecordError(f"{path / name} cannot be read back ({error}); {folder.path} is kept") from None
        if found != digests[name]:
            raise RecordError(f"{path / name} differs from {folder.path}; both are kept")


def _remove(folder: Path) -> None:
    """Remove the folder of an archived run; the document first, so that half a record is never left."""
    for name in ("record.json", "curves.npz", "histograms.npz", "run.log", "checkpoint.pt"):
        (folder / name).unlink(missing_ok=True)
    for temporary in folder.glob(".*.tmp"):
        temporary.unlink(missing_ok=True)
    # Any other files in the folder are kept.
    with contextlib.suppress(OSError):
        folder.rmdir()


def _compare(here: Whole, archived: Place) -> Treated:
    there = archived.whole()
    assert there is not None
    name = here[0].name
    if differing := differences(content(*here), content(*there)):
        return Treated(name, "conflicting", f"different {', '.join(differing)} in {archived.path}; both are kept")
    return Treated(name, "already archived")


def _examine(store: Store, name: str) -> Treated | None:
    """What to do with a run; None if it has no result in a folder."""
    folder = Folder(store.directory(name), name)
    places = [Archived(archive, name) for archive in sound_archives(store.archives, name)]
    try:
        whole = folder.whole()
        if whole is not None:
            verdicts = [_compare(whole, place) for place in places]
            conflicts = [verdict for verdict in verdicts if verdict.is_refused]
            return (conflicts or verdicts or [Treated(name, "moved")])[0]
        # Left over from an earlier removal, or from failed attempts of a run that was archived elsewhere.
        return Treated(name, "already archived") if places and folder.path.is_dir() else None
    except RecordError as error:
        return Treated(name, "damaged", str(error))


def move(store: Store, profile: str, names: Iterable[str]) -> list[Treated]:
    """Move these runs' results from their folders to the profile's archive.

    A run that another archive contains is not added to this one; if its folder has the same result, it is removed.

    Raises:
        ArchiveBusy: another process is writing the archive.
        OSError, RecordError, ValueError: the archive cannot be written, is damaged or would be too large; no record is
            lost, and the same command can be run again to continue.
    """
    path = store.archives / f"{profile}.zip"
    if path.exists():
        Archive(path).check()
    if not store.names():
        return []
    with store.claim(path.name) as mine:
        if not mine:
            raise ArchiveBusy(f"{path} is being written by another process; try again when it is done")
        examined = [found for name in sorted(names) if (found := _examine(store, name)) is not None]
        added = [found.name for found in examined if found.fate == "moved"]
        if added:
            _add_and_read_back(path, {name: Folder(store.directory(name), name) for name in added})
        for found in examined:
            if not found.is_refused:
                _remove(store.directory(found.name))
    return examined
