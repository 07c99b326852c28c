"""Anything too large, too deep or not a regular file is refused before it is read, without blocking."""

import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.made_up import CURVES, HISTOGRAMS, record
from scalefree.records import RecordError, Store
from scalefree.records.reading import LARGEST_ARCHIVE, LARGEST_CONTENT, LARGEST_DOCUMENT, parse
from scalefree.tracking.deadline import within

FILES = ("record.json", "curves.npz")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "results")
    found.write(record(), CURVES, HISTOGRAMS)
    return found


def read(store: Store, file: str) -> None:
    if file == "histograms.npz":
        store.histograms(record())
    else:
        store.read(record().name)


def refuse(store: Store, file: str) -> str:
    """Asserts that reading fails soon with the file's name; returns the message."""
    said: list[str] = []

    def attempt() -> None:
        with pytest.raises(RecordError) as caught:
            read(store, file)
        said.append(str(caught.value))

    within(20, attempt)
    assert str(store.directory(record().name) / file) in said[0]
    return said[0]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "a pipe": pipe,
    "a folder": Path.mkdir,
    "an endless device": link_to("/dev/zero"),
    "a terminal": link_to("/dev/tty"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("file", [*FILES, "histograms.npz"])
@pytest.mark.parametrize("kind", NO_FILES)
def test_anything_but_a_regular_file_is_refused_at_once(kind: str, file: str, store: Store) -> None:
    path = store.directory(record().name) / file
    path.unlink()
    NO_FILES[kind](path)
    before = len(os.listdir("/proc/self/fd"))
    said = {refuse(store, file) for _ in range(3)}
    assert len(said) == 1 and len(os.listdir("/proc/self/fd")) == before
    if file != "histograms.npz":
        assert store.records() == {}


def test_a_pipe_in_place_of_the_log_does_not_block(store: Store) -> None:
    pipe(store.directory(record().name) / "run.log")
    within(20, lambda: store.note(record().name, "a word"))


@pytest.mark.parametrize(("file", "largest"), [("record.json", LARGEST_DOCUMENT), ("curves.npz", LARGEST_ARCHIVE)])
def test_a_huge_file_is_refused_unread(file: str, largest: int, store: Store) -> None:
    with (store.directory(record().name) / file).open("r+b") as content:
        content.truncate(500 * largest)
    tracemalloc.start()
    try:
        assert "and the limit is" in refuse(store, file)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def header(shape: str, descr: str = "'<f8'") -> bytes:
    """The header of an array file that claims to have this type and shape."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in members:
            made.writestr(name, content)
    return file.getvalue()


def saved(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


SOUND = [(f"{name}.npy", header("(2,)") + curve.tobytes()) for name, curve in CURVES.items()]
BOMB = bytes(LARGEST_CONTENT + 1)
ROWS = np.zeros(2).tobytes()
ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a bomb": lambda: archive(("test_error.npy", BOMB)),
    "a bomb in pieces": lambda: archive(*[(f"{n}.npy", BOMB[: len(BOMB) // 9]) for n in range(10)]),
    "a bomb of another method": lambda: archive(("test_error.npy", BOMB[:50_000_000]), method=zipfile.ZIP_BZIP2),
    "a bomb after an array": lambda: archive(("test_error.npy", header("(2,)") + ROWS + BOMB[:50_000_000])),
    "more rows declared than present": lambda: archive(("test_error.npy", header("(10000000000000,)") + ROWS)),
    "more rows than epochs": lambda: archive(("test_error.npy", header("(10000000,)") + bytes(80_000_000))),
    "fewer rows than declared": lambda: archive(("test_error.npy", header("(2,)") + ROWS[:8])),
    "a negative shape": lambda: archive(("test_error.npy", header("(-2,)") + ROWS)),
    "a shape that is not a tuple": lambda: archive(("test_error.npy", header("'x'") + ROWS)),
    "an endless header": lambda: archive(("test_error.npy", header("(" * 5000))),
    "code in the header": lambda: archive(("test_error.npy", header("(__import__('os').getpid(),)") + ROWS)),
    "objects": lambda: archive(("test_error.npy", header("(2,)", "'|O'") + ROWS)),
    "texts": lambda: saved(test_error=np.array(["0.1", "0.2"])),
    "float32": lambda: saved(test_error=np.zeros(2, np.float32)),
    "complex": lambda: saved(test_error=np.zeros(2, complex)),
    "two axes": lambda: saved(test_error=np.zeros((2, 1))),
    "no axis": lambda: saved(test_error=np.float64(0.125)),
    "a repeated array": lambda: archive(*SOUND, SOUND[0]),
    "another name": lambda: saved(test_error=np.array([np.nan, 0.125]), surprise=np.zeros(2)),
    "a path as a name": lambda: archive(("../../test_error.npy", header("(2,)") + ROWS)),
    "a file that is not an array": lambda: archive(("test_error.txt", b"0.1")),
    "no magic": lambda: archive(("test_error.npy", b"hello")),
    "not an archive": lambda: b"hello",
    "empty": lambda: b"",
}


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_wrong_archive_is_refused_before_it_is_unpacked(kind: str, store: Store) -> None:
    path = store.directory(record().name) / "curves.npz"
    path.write_bytes(ARCHIVES[kind]())
    tracemalloc.start()
    try:
        assert refuse(store, "curves.npz").isprintable()
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert store.records() == {}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_message_says_what_is_wrong_with_an_archive(store: Store) -> None:
    path = store.directory(record().name) / "curves.npz"
    path.write_bytes(archive(*SOUND))
    assert store.curves(record()).keys() == CURVES.keys()
    for kind, said in (
        ("a bomb", "it would unpack to more than 100,000,000 bytes"),
        ("a bomb after an array", "test_error has 17 bytes, but its shape requires 16"),
        ("fewer rows than declared", "test_error has 8 bytes, but its shape requires 16"),
        ("more rows than epochs", "test_error has 10000000 rows for 2 epochs"),
        ("a repeated array", "it has a duplicate array"),
    ):
        path.write_bytes(ARCHIVES[kind]())
        assert said in refuse(store, "curves.npz")


def test_arrays_in_the_other_byte_order_are_read(store: Store) -> None:
    path = store.directory(record().name) / "curves.npz"
    path.write_bytes(saved(**{name: curve.astype(">f8") for name, curve in CURVES.items()}))
    for name, curve in store.curves(record()).items():
        np.testing.assert_array_equal(curve, CURVES[name], strict=True)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "NaN", "[1e999]", "-Infinity", '{"a": 1, "a": 1}', ""]
)
def test_text_that_is_not_plain_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_numbers_are_parsed_to_the_last_bit() -> None:
    text = "[0.1, 5e-324, 1.7976931348623157e308, -0.0, 12345678901234567890]"
    assert parse(text) == [0.1, 5e-324, 1.7976931348623157e308, -0.0, 12345678901234567890]
