"""Many records in one file: a zip of run folders that is read without unpacking.

Any zip program can extract `<run>/curves.npz`, `<run>/histograms.npz` and `<run>/record.json`. Its bytes follow
from its content: members are sorted by name, deflated, and dated 1980. Adding runs leaves the bytes of every other
member unchanged, so that git stores little more than what is new.

The file may come from someone else. Each header must be, byte for byte, the one that this module would write for a
member of that name, size and checksum, and the members must follow each other without gaps or overlaps. This rules out
names that lead elsewhere or occur twice, links, encryption and members that share bytes; and nothing is unpacked beyond
its stated size, which is limited.
"""

import contextlib
import functools
import logging
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from scalefree.files import atomic_write
from scalefree.records.reading import LARGEST_ARCHIVE, LARGEST_DOCUMENT, regular_file
from scalefree.records.record import RecordError

FILES = {"curves.npz": LARGEST_ARCHIVE, "histograms.npz": LARGEST_ARCHIVE, "record.json": LARGEST_DOCUMENT}
MEMBER = re.compile(rf"(?P<run>[A-Za-z0-9][A-Za-z0-9_.+-]{{0,254}})/(?P<file>{'|'.join(map(re.escape, FILES))})")
# A zip counts its members in 16 bits and its bytes in 32.
MOST_MEMBERS = 60_000
LARGEST_FILE = 2_000_000_000
# Records unpack to about fifteen times their size.
MOST_UNPACKED = 100

# PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
VERSION, UNIX, DEFLATED = 20, 3 << 8, 8
FIRST_OF_1980 = 1 << 5 | 1
REGULAR_FILE = 0o100644 << 16

log = logging.getLogger(__name__)


class Member(NamedTuple):
    """A file of an archive: its name, CRC-32, compressed and full size in bytes, and the offset of its header."""

    name: str
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def end(self) -> int:
        """The offset of the next member."""
        return self.offset + LOCAL.size + len(self.name) + self.packed

    def local_header(self) -> bytes:
        """The header before the member's content."""
        sizes = self.crc, self.packed, self.size, len(self.name), 0
        return LOCAL.pack(b"PK\3\4", VERSION, 0, DEFLATED, 0, FIRST_OF_1980, *sizes) + self.name.encode()

    def central_header(self) -> bytes:
        """The member's entry in the directory at the archive's end."""
        sizes = self.crc, self.packed, self.size, len(self.name)
        made = UNIX | VERSION, VERSION, 0, DEFLATED, 0, FIRST_OF_1980
        return CENTRAL.pack(b"PK\1\2", *made, *sizes, 0, 0, 0, 0, REGULAR_FILE, self.offset) + self.name.encode()


# Members by run, then by file.
Index = Mapping[str, Mapping[str, Member]]


def _end(members: int, directory: int, offset: int) -> bytes:
    return END.pack(b"PK\5\6", 0, 0, members, members, directory, offset, 0)


def _index(directory: bytes, count: int, size: int) -> Index:
    """Parse the directory of an archive of `size` bytes with `count` members.

    Raises:
        ValueError: it is not as `add` writes it.
    """
    index: dict[str, dict[str, Member]] = {}
    place, before, follows, unpacked = 0, "", 0, 0
    for _ in range(count):
        if len(header := directory[place : place + CENTRAL.size]) < CENTRAL.size:
            raise ValueError("its directory is cut off")
        fields = CENTRAL.unpack(header)
        entry = directory[place : place + CENTRAL.size + fields[10]]
        name = entry[CENTRAL.size :].decode("ascii", "backslashreplace")
        named = MEMBER.fullmatch(name)
        if named is None:
            raise ValueError(f"it contains {name!r}, which is not a file of a run")
        crc, packed, whole = fields[7:10]
        member = Member(name, crc, packed, whole, fields[16])
        if member.central_header() != entry:
            raise ValueError(f"its entry {name} is a link, encrypted or otherwise unexpected")
        if name <= before:
            raise ValueError(f"its entry {name} is repeated or out of order")
        if member.offset != follows:
            raise ValueError(f"its entry {name} overlaps the previous one or leaves a gap")
        if member.size > FILES[named["file"]]:
            raise ValueError(f"its entry {name} would have {member.size:,} bytes, which is over the limit")
        index.setdefault(named["run"], {})[named["file"]] = member
        place, before, follows, unpacked = place + len(entry), name, member.end, unpacked + member.size
    if place != len(directory) or follows + len(directory) + END.size != size:
        raise ValueError("it contains bytes that belong to no entry")
    if unpacked > MOST_UNPACKED * size:
        raise ValueError(f"it would unpack to {unpacked:,} bytes, more than {MOST_UNPACKED} times its size")
    return index


def _read_index(file: BinaryIO, size: int) -> Index:
    """Read the index of an open archive.

    Raises:
        ValueError: it is not as `add` writes it.
    """
    if size < END.size:
        raise ValueError("it is shorter than any zip")
    file.seek(size - END.size)
    end = file.read(END.size)
    count, length, offset = END.unpack(end)[4:7]
    if end != _end(count, length, offset) or offset + length + END.size != size or count > MOST_MEMBERS:
        raise ValueError("it is cut off, or its end has an unexpected form")
    file.seek(offset)
    return _index(file.read(length), count, size)


@functools.lru_cache(maxsize=16)
def _known(path: Path, device: int, inode: int, size: int, modified: int) -> dict[str, Index]:
    """A cache for the index of the file that these numbers identify; a sweep asks for it again and again."""
    return {}


class Archive:
    """The runs of one zip. Keeps no file open, because the file may be replaced by a larger one at any moment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[BinaryIO, Index]]:
        """The file with its index.

        Raises:
            RecordError: the file, which is named, is not an archive or cannot be read.
        """
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(regular_file(self.path, LARGEST_FILE))
                status = os.fstat(file.fileno())
                known = _known(self.path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                if "index" not in known:
                    known["index"] = _read_index(file, status.st_size)
            except (OSError, ValueError) as error:
                raise RecordError(
                    f"{self.path} is not an archive as scripts/archive.py writes it ({error}); fetch it again, or "
                    "remove it"
                ) from None
            yield file, known["index"]

    def check(self) -> None:
        """Refuse a file that is not an archive.

        Raises:
            RecordError: naming it.
        """
        with self.opened():
            pass

    def names(self) -> frozenset[str]:
        """The names of its runs.

        Raises:
            RecordError: it is not an archive.
        """
        with self.opened() as (_, index):
            return frozenset(index)

    def __contains__(self, name: str) -> bool:
        with self.opened() as (_, index):
            return name in index

    def read(self, name: str, file: str) -> bytes:
        """A file of a run.

        Raises:
            RecordError: it is not an archive.
            ValueError: the file is missing or damaged.
        """
        with self.opened() as (opened, index):
            member = index.get(name, {}).get(file)
            if member is not None:
                opened.seek(member.offset)
                found = opened.read(member.end - member.offset)
        if member is None:
            raise ValueError("it is missing")
        header = member.local_header()
        unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # Ask for one byte more than there should be, to check that there are none.
            content = unpacking.decompress(found[len(header) :], member.size + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        whole = unpacking.eof and not unpacking.unused_data and len(content) == member.size
        if found[: len(header)] != header or not whole or zlib.crc32(content) != member.crc:
            raise ValueError("its bytes do not match its directory")
        return content


@functools.cache
def say_once(message: str) -> None:
    """Log a warning once, because a sweep looks up each of its runs."""
    log.warning(message)


def sound_archives(folder: Path, holding: str | None = None) -> list[Archive]:
    """The archives of a folder by name, or those that contain a run; damaged ones are logged and left out."""
    found = []
    for path in sorted(folder.glob("*.zip")):
        archive = Archive(path)
        try:
            with archive.opened() as (_, index):
                if holding is None or holding in index:
                    found.append(archive)
        except RecordError as error:
            say_once(f"left out: {error}")
    return found


def damaged_archives(folder: Path) -> dict[str, RecordError]:
    """The damaged archives of a folder by name, each with its error."""
    found = {}
    for path in sorted(folder.glob("*.zip")):
        try:
            Archive(path).check()
        except RecordError as error:
            found[path.name] = error
    return found


def _copied(old: BinaryIO, file: BinaryIO, member: Member, offset: int) -> Member:
    """Copy a member to another offset."""
    old.seek(member.offset)
    file.write(old.read(member.end - member.offset))
    return member._replace(offset=offset)


def _packed(file: BinaryIO, name: str, content: bytes, offset: int) -> Member:
    # Level 9 takes over ten times as long as 6 and saves a fiftieth, which every clone gains.
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packing.compress(content) + packing.flush()
    member = Member(name, zlib.crc32(content), len(packed), len(content), offset)
    file.write(member.local_header() + packed)
    return member


def add(path: Path, names: Iterable[str], content: Callable[[str], Mapping[str, bytes]]) -> None:
    """Add runs to an archive, which is created if missing; its content is kept, and it is complete at every moment.

    Args:
        names: runs that it does not contain yet.
        content: returns the three files of a run.

    Raises:
        OSError: it cannot be written; it is unchanged.
        RecordError: the existing file is not an archive.
        ValueError: it already contains one of the runs, or would be too large or unreadable.
    """
    added = sorted(names)
    with contextlib.ExitStack() as stack:
        old, index = stack.enter_context(Archive(path).opened()) if path.exists() else (None, {})
        if held := sorted(index.keys() & set(added)):
            raise ValueError(f"{path} already contains {held[0]}")
        if len(FILES) * (len(index) + len(added)) > MOST_MEMBERS:
            raise ValueError(f"{path} would contain {len(index) + len(added):,} runs; archive them by several profiles")
        new = [f"{name}/{file}" for name in added for file in FILES]
        if strange := [name for name in new if MEMBER.fullmatch(name) is None]:
            raise ValueError(f"{strange[0]!r} cannot be the name of a run's file")
        kept = {member.name: member for run in index.values() for member in run.values()}
        file = stack.enter_context(atomic_write(path))
        members: list[Member] = []
        offset = 0
        current: tuple[str, Mapping[str, bytes]] = "", {}
        for name in sorted([*new, *kept]):
            if name in kept:
                assert old is not None
                member = _copied(old, file, kept[name], offset)
            else:
                run, _, of_run = name.partition("/")
                if current[0] != run:
                    current = run, content(run)
                member = _packed(file, name, current[1][of_run], offset)
            members.append(member)
            offset = member.end
        directory = b"".join(member.central_header() for member in members)
        file.write(directory + _end(len(members), len(directory), offset))
        if offset + len(directory) + END.size > LARGEST_FILE:
            raise ValueError(f"{path} would have over {LARGEST_FILE:,} bytes; archive its runs by several profiles")
        # Nothing takes the place of an archive that could not be read again.
        _index(directory, len(members), offset + len(directory) + END.size)
