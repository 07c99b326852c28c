"""Read files that others may have made: their size and kind are checked before they are read."""

import contextlib
import functools
import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

# Limits in bytes. One of our records has a few thousand, and its arrays for 300 epochs less than two million.
LARGEST_DOCUMENT = 10_000_000
LARGEST_ARCHIVE = 20_000_000
LARGEST_CONTENT = 100_000_000
# An array's header is shorter than this.
LONGEST_HEADER = 10_000

Shape = tuple[int, ...]
Arrays = Mapping[str, npt.NDArray[Any]]
# Raises ValueError if an array of that name, type and shape is not wanted.
Wanted = Callable[[str, np.dtype[Any], Shape], None]


def _at_once(path: str, flags: int) -> int:
    """An opener that does not wait, not even for a pipe without a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


@contextlib.contextmanager
def regular_file(path: Path, largest: int) -> Iterator[BinaryIO]:
    """Open a regular file of at most `largest` bytes.

    Pipes and devices are refused, because reading from them may wait or continue forever.

    Raises:
        OSError: the file does not exist or cannot be opened.
        ValueError: it is not a regular file or is too large.
    """
    with contextlib.ExitStack() as stack:
        try:
            # An opener's descriptor is closed where it turns out to be a folder's; any other would stay open.
            file = stack.enter_context(open(path, "rb", opener=_at_once))
        except IsADirectoryError:
            raise ValueError("it is not a regular file") from None
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_size > largest:
            raise ValueError(f"it has {status.st_size:,} bytes, and the limit is {largest:,}")
        yield file


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a duplicate key")
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it has the number {text[:20]}, which is not finite")
    return value


def parse(text: str) -> Any:
    """Parse a JSON document strictly: no NaN, no infinity, no duplicate keys.

    Raises:
        ValueError: it is not, or it is nested too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_number, parse_constant=_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_file(path: Path, largest: int) -> bytes:
    """The content of a file of at most `largest` bytes.

    Raises:
        OSError, ValueError: as `regular_file`.
    """
    with regular_file(path, largest) as file:
        return file.read(os.fstat(file.fileno()).st_size)


def _header(file: IO[bytes]) -> bytes:
    """Everything before an array's numbers."""
    magic = file.read(8)
    length = file.read({b"\x93NUMPY\1\0": 2, b"\x93NUMPY\2\0": 4}[magic])
    if (size := int.from_bytes(length, "little")) > LONGEST_HEADER:
        raise ValueError(f"an array's header has {size:,} bytes")
    return magic + length + file.read(size)


@functools.lru_cache(maxsize=256)
def _parsed(header: bytes) -> tuple[Shape, bool, np.dtype[Any]]:
    """Shape, whether stored by columns, and type; cached, as a store has few headers and NumPy compiles each one."""
    file = io.BytesIO(header)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    return read(file, max_header_size=LONGEST_HEADER)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, wanted: Wanted) -> tuple[str, npt.NDArray[Any]]:
    name, ending = os.path.splitext(member.filename)
    # The other compression methods unpack everything, however little is requested.
    if ending != ".npy" or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is not an array as NumPy saves it")
    with archive.open(member) as file:
        shape, in_columns, dtype = _parsed(_header(file))
        wanted(name, dtype, shape)
        size = math.prod(shape) * dtype.itemsize
        if in_columns and len(shape) > 1:
            raise ValueError(f"{name} is stored by columns instead of rows")
        # One byte more than there should be, because zipfile compares checksums at the end of the file.
        content = file.read(size + 1)
    if len(content) != size:
        raise ValueError(f"{name} has {len(content)} bytes, but its shape requires {size}")
    return name, np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def arrays_of(file: BinaryIO, wanted: Wanted) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz file by name; none is unpacked before `wanted` has accepted its type and shape.

    Raises:
        ValueError and the errors of zipfile, zlib and NumPy: the file is damaged, too large or not wanted.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > LARGEST_CONTENT:
            raise ValueError(f"it would unpack to more than {LARGEST_CONTENT:,} bytes")
        arrays = dict(_array(archive, member, wanted) for member in members)
    if len(arrays) < len(members):
        raise ValueError("it has a duplicate array")
    return arrays
