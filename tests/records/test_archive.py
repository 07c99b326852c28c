"""Archives: `add` writes ordinary zip files, and any other form is refused before it is unpacked."""

import io
import logging
import os
import random
import shutil
import stat
import struct
import subprocess
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scalefree.records import RecordError
from scalefree.records import archive as module
from scalefree.records.archive import FILES, Archive, add, damaged_archives, sound_archives

RUNS = ("alpha-1", "alpha-1-b", "beta_2.x+y")


def content(name: str) -> Mapping[str, bytes]:
    rng = random.Random(name)
    return {file: name.encode() * 20 + rng.randbytes(300) for file in FILES}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "archives" / "digits.zip"
    add(path, RUNS, content)
    return path


def everything(path: Path) -> dict[str, Mapping[str, bytes]]:
    archive = Archive(path)
    return {name: {file: archive.read(name, file) for file in FILES} for name in archive.names()}


def test_added_runs_are_read_back(path: Path) -> None:
    assert everything(path) == {name: content(name) for name in RUNS}
    assert "alpha-1" in Archive(path) and "alpha" not in Archive(path)
    for name, file in (("alpha", "record.json"), ("alpha-1", "run.log")):
        with pytest.raises(ValueError, match="it is missing"):
            Archive(path).read(name, file)


def test_other_programs_can_read_an_archive(path: Path, tmp_path: Path) -> None:
    expected = {f"{name}/{file}": content(name)[file] for name in RUNS for file in FILES}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None and archive.namelist() == sorted(expected)
        assert {name: archive.read(name) for name in archive.namelist()} == expected
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0) and stat.S_IMODE(info.external_attr >> 16) == 0o644
    if shutil.which("unzip") is None:
        pytest.skip("no unzip here")
    subprocess.run(["unzip", "-q", path, "-d", tmp_path / "unpacked"], check=True)
    for name, text in expected.items():
        assert (tmp_path / "unpacked" / name).read_bytes() == text


def test_the_bytes_do_not_depend_on_the_order_of_adding(path: Path, tmp_path: Path) -> None:
    for number, groups in enumerate([[RUNS[::-1]], [RUNS[2:], RUNS[:2]], [[name] for name in RUNS]]):
        other = tmp_path / f"{number}.zip"
        for group in groups:
            add(other, group, content)
        assert other.read_bytes() == path.read_bytes()


def test_existing_members_keep_their_bytes_under_another_compressor(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that git stores only new members, whatever zlib the next machine has."""
    before = everything(path)
    compress = zlib.compressobj
    with zipfile.ZipFile(path) as archive:
        packed = {info.filename: info.compress_size for info in archive.infolist()}
    monkeypatch.setattr(zlib, "compressobj", lambda level, *rest: compress(0, *rest))
    add(path, ["alpha-0", "gamma"], content)
    assert everything(path) == {**before, "alpha-0": content("alpha-0"), "gamma": content("gamma")}
    with zipfile.ZipFile(path) as archive:
        assert packed.items() <= {info.filename: info.compress_size for info in archive.infolist()}.items()


def test_adding_an_existing_run_is_refused(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"digits\.zip already contains alpha-1"):
        add(path, ["aaa", "alpha-1"], content)
    assert path.read_bytes() == before


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("when", ["fsync", "replace"])
@pytest.mark.parametrize("error", [Killed(), OSError(28, "No space left on device")], ids=["killed", "full disk"])
def test_a_crash_during_any_write_leaves_the_old_archive(
    path: Path, when: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def end(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, when, end)
    with pytest.raises(type(error)):
        add(path, ["gamma"], content)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_content_that_could_not_be_read_back_is_not_written(path: Path) -> None:
    before = path.read_bytes()
    for name in ("../x", "/etc", "a b", ".hidden", "", "x" * 256, "a/b", "a\\b", "caf\u00e9"):
        with pytest.raises(ValueError, match="cannot be the name of a run's file"):
            add(path, [name], content)
    with pytest.raises(ValueError, match="would have 10,000,001 bytes"):
        add(path, ["gamma"], lambda name: {**content(name), "record.json": os.urandom(10_000_001)})
    assert path.read_bytes() == before


# Hostile archives, made with zipfile from members: (name, content).
Info = Callable[[zipfile.ZipInfo], None]


def nothing(info: zipfile.ZipInfo) -> None:
    pass


def like_ours(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
    return info


def zipped(*members: tuple[str, bytes], change: Info = nothing, comment: bytes = b"", sort: bool = True) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for name, text in sorted(members) if sort else members:
            info = like_ours(name)
            change(info)
            archive.writestr(info, text, compress_type=info.compress_type, compresslevel=9)
    return file.getvalue()


SOUND = [(f"{name}/{file}", content(name)[file]) for name in RUNS for file in FILES]


def changed(place: bytes, offset: int, value: bytes) -> bytes:
    """The sound archive with other bytes at an offset from the last occurrence of `place`."""
    whole = bytearray(zipped(*SOUND))
    at = whole.rindex(place) + offset
    whole[at : at + len(value)] = value
    return bytes(whole)


def linked(info: zipfile.ZipInfo) -> None:
    if info.filename == "alpha-1/record.json":
        info.external_attr = (stat.S_IFLNK | 0o777) << 16


def stored(info: zipfile.ZipInfo) -> None:
    info.compress_type = zipfile.ZIP_STORED


def with_another_method(info: zipfile.ZipInfo) -> None:
    info.compress_type = zipfile.ZIP_LZMA


def with_extra(info: zipfile.ZipInfo) -> None:
    info.extra = b"up\5\0\1abcd"


def with_comment(info: zipfile.ZipInfo) -> None:
    info.comment = b"hello"


LAST = b"PK\1\2"
BOMB = bytes(9_000_000)


def quoted() -> bytes:
    """Members that share their bytes: many names for one bomb (Fifield, "A better zip bomb", 2019)."""
    whole = zipped(*SOUND)
    at = whole.index(LAST)
    second = whole.index(LAST, at + 4)
    return whole[: second + 42] + struct.pack("<L", 0) + whole[second + 46 :]


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "shorter than any zip"),
    "a text": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "cut off, or its end"),
    "a name outside the folder": (lambda: zipped(*SOUND, ("../evil/record.json", b"x")), "not a file of a run"),
    "an absolute name": (lambda: zipped(*SOUND, ("/etc/record.json", b"x")), "not a file of a run"),
    "only dots": (lambda: zipped(*SOUND, ("../record.json", b"x")), "not a file of a run"),
    "a drive": (lambda: zipped(*SOUND, ("C:/record.json", b"x")), "not a file of a run"),
    "a backslash": (lambda: zipped(*SOUND, ("..\\a/record.json", b"x")), "not a file of a run"),
    "a deeper name": (lambda: zipped(*SOUND, ("a/b/record.json", b"x")), "not a file of a run"),
    "a folder": (lambda: zipped(*SOUND, ("alpha-1/", b"")), "not a file of a run"),
    "another file": (lambda: zipped(*SOUND, ("alpha-1/evil.py", b"x")), "not a file of a run"),
    "a terminal's escape": (lambda: zipped(*SOUND, ("a\x1b[31m/record.json", b"x")), "not a file of a run"),
    "a name not in ASCII": (lambda: zipped(*SOUND, ("caf\u00e9/record.json", b"x")), "not a file of a run"),
    "a link": (lambda: zipped(*SOUND, change=linked), "alpha-1/record.json is a link"),
    "encrypted": (lambda: changed(LAST, 8, b"\1\0"), "encrypted"),
    "another method": (lambda: zipped(*SOUND, change=with_another_method), "otherwise unexpected"),
    "stored": (lambda: zipped(*SOUND, change=stored), "otherwise unexpected"),
    "extra fields": (lambda: zipped(*SOUND, change=with_extra), "otherwise unexpected"),
    "comments on members": (lambda: zipped(*SOUND, change=with_comment), "otherwise unexpected"),
    "a comment": (lambda: zipped(*SOUND, comment=b"hello"), "cut off, or its end"),
    "a repeated name": (lambda: zipped(*SOUND, SOUND[0]), "is repeated"),
    "a repeated name, out of order": (lambda: zipped(*SOUND, SOUND[0], sort=False), "is repeated"),
    "members out of order": (lambda: zipped(*SOUND[::-1], sort=False), "out of order"),
    "shared bytes": (quoted, "overlaps"),
    "a gap": (lambda: zipped(*SOUND).replace(b"PK\1\2", b"evil" + b"PK\1\2", 1), "cut off, or its end"),
    "leading bytes": (lambda: b"#!/bin/sh\n" + zipped(*SOUND), "cut off, or its end"),
    "trailing bytes": (lambda: zipped(*SOUND) + b"evil", "cut off, or its end"),
    "too large a member count": (lambda: changed(b"PK\5\6", 8, struct.pack("<2H", 99, 99)), "directory is cut off"),
    "too small a member count": (lambda: changed(b"PK\5\6", 8, struct.pack("<2H", 1, 1)), "belong to no entry"),
    "two disks": (lambda: changed(b"PK\5\6", 4, struct.pack("<H", 1)), "cut off, or its end"),
    "zip64": (lambda: changed(b"PK\5\6", 8, b"\xff" * 12), "cut off, or its end"),
    "a size over the limit": (lambda: changed(LAST, 24, struct.pack("<L", 2**32 - 1)), "4,294,967,295 bytes"),
    "a bomb": (lambda: zipped(*[(f"r{n}/record.json", BOMB) for n in range(9)]), "it would unpack to 81,000,000"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_archive_is_refused_by_name_and_not_unpacked(
    kind: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, said = HOSTILE[kind]
    hostile = path.with_name("hostile.zip")
    hostile.write_bytes(make())
    tracemalloc.start()
    try:
        for act in (Archive(hostile).names, lambda: Archive(hostile).read("alpha-1", "record.json")):
            with pytest.raises(RecordError) as caught:
                act()
            message = str(caught.value)
            assert str(hostile) in message and said in message and message.isprintable()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    before = hostile.read_bytes()
    with pytest.raises(RecordError):
        add(hostile, ["gamma"], content)
    assert hostile.read_bytes() == before
    with caplog.at_level(logging.WARNING):
        assert [archive.path for archive in sound_archives(path.parent)] == [path]
    assert str(hostile) in caplog.text and damaged_archives(path.parent).keys() == {"hostile.zip"}
    assert {file.name for file in path.parent.iterdir()} == {"digits.zip", "hostile.zip"}


def test_a_sound_archive_made_like_the_hostile_ones_is_read(path: Path) -> None:
    path.write_bytes(zipped(*SOUND))
    assert everything(path) == {name: content(name) for name in RUNS}


def test_an_archive_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError, match=r"digits\.zip is not an archive"):
            Archive(path).names()


def test_a_flipped_bit_anywhere_is_refused_or_costs_its_own_run(path: Path) -> None:
    """A flipped bit in a name gives another name, but never other content under the same name."""
    whole = path.read_bytes()
    sound = {name: content(name) for name in RUNS}
    refused = damaged = 0
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            names = Archive(path).names()
        except RecordError:
            refused += 1
            continue
        assert len(names & set(RUNS)) >= len(RUNS) - 1
        for name in names:
            for file in FILES:
                try:
                    found = Archive(path).read(name, file)
                except ValueError:
                    damaged += 1
                else:
                    assert name in sound and found == sound[name][file]
    assert refused > 50 and damaged > 50


def lying(size: int, text: bytes) -> bytes:
    """An archive with a member that claims to have `size` bytes and holds `text`."""
    whole = zipped(("a/record.json", text), *[(f"r{n}/record.json", os.urandom(20_000)) for n in range(9)])
    at = whole.index(b"PK\1\2")
    whole = whole[:22] + struct.pack("<L", size) + whole[26:]
    return whole[: at + 24] + struct.pack("<L", size) + whole[at + 28 :]


@pytest.mark.parametrize("size", [0, 8_999_999, 9_000_001])
def test_a_member_is_never_unpacked_beyond_its_declared_size(size: int, path: Path) -> None:
    path.write_bytes(lying(size, BOMB))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="do not match its directory"):
            Archive(path).read("a", "record.json")
        assert tracemalloc.get_traced_memory()[1] < 2.5 * size + 500_000
    finally:
        tracemalloc.stop()


def test_a_header_that_disagrees_with_the_directory_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"alpha-1/record.json", b"omega-9/record.json", 1))
    with pytest.raises(ValueError, match="do not match its directory"):
        Archive(path).read("alpha-1", "record.json")
    assert Archive(path).read("alpha-1", "curves.npz") == content("alpha-1")["curves.npz"]


@pytest.mark.parametrize("kind", ["pipe", "folder", "broken link"])
def test_anything_but_a_file_is_refused(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.zip"
    {"pipe": os.mkfifo, "folder": os.mkdir, "broken link": lambda path: path.symlink_to("nowhere")}[kind](path)
    with pytest.raises(RecordError, match=r"x\.zip is not an archive"):
        Archive(path).names()
    assert sound_archives(tmp_path) == [] and str(path) in caplog.text


def test_too_large_an_archive_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_FILE", 1000)
    with pytest.raises(RecordError, match="and the limit is 1,000"):
        Archive(path).names()


def test_an_archive_that_is_replaced_meanwhile_is_read_again(path: Path) -> None:
    """An open archive can still be read: its earlier members are still there, at other offsets."""
    archive = Archive(path)
    assert "aaa" not in archive and archive.read("beta_2.x+y", "record.json")
    add(path, ["aaa"], content)
    assert archive.read("beta_2.x+y", "record.json") == content("beta_2.x+y")["record.json"]
    assert archive.read("aaa", "curves.npz") == content("aaa")["curves.npz"]
    assert [len(sound_archives(path.parent, name)) for name in ("aaa", "bbb")] == [1, 0]


def test_the_index_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "alpha-1" in Archive(path)
    monkeypatch.setattr(module, "_read_index", pytest.fail)
    assert "alpha-1" in Archive(path) and Archive(path).read("alpha-1", "record.json")


def test_too_many_members_are_refused_before_they_are_read(path: Path) -> None:
    directory = bytes(46) * 65_000
    path.write_bytes(directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65_000, 65_000, len(directory), 0, 0))
    with pytest.raises(RecordError, match="its end has an unexpected form"):
        Archive(path).names()
