"""Records in archives: moved there whole, seen by every reader, and never trained again or replaced."""

import json
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.made_up import CURVES, HISTOGRAMS, NO_HISTOGRAMS, counts, record
from records.made_up import diverged as made_up_diverged
from records.made_up import put as put_as_it_is
from scalefree.compose import run_config
from scalefree.records import Outcome, Record, RecordError, ResultExists, Store
from scalefree.records.archive import Archive, add
from scalefree.records.archiving import ArchiveBusy, move
from scalefree.records.comparison import Treated
from scalefree.records.merge import merge


def made(seed: int = 0, **changes: Any) -> Record:
    return record(run_config({"seed": seed}), **changes)


def failed(seed: int) -> Record:
    return made(seed, test_error=None, outcome=Outcome("failed", 0, "out of memory"))


def put(store: Store, *seeds: int) -> list[str]:
    """Writes results of these seeds into folders; returns their names."""
    for seed in seeds:
        store.write(made(seed), CURVES, HISTOGRAMS)
    return [made(seed).name for seed in seeds]


def beside_its_archive(store: Store, *whole: Any) -> None:
    """Writes a record into the folder of an archived run, as when the archive arrives later."""
    archive = store.archives / "digits.zip"
    archive.rename(archive.with_name("away"))
    store.write(*whole)
    archive.with_name("away").rename(archive)


def fates(moved: list[Treated]) -> list[str]:
    return [run.fate for run in moved]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def archived(store: Store) -> Store:
    """A store with three results in an archive."""
    move(store, "digits", put(store, 0, 1, 2))
    return store


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_records_move_whole_and_every_reader_sees_them(store: Store) -> None:
    names = put(store, 0, 1, 2)
    diverged = made_up_diverged(run_config({"seed": 3}))
    store.write(diverged, {}, NO_HISTOGRAMS)
    before = store.records()
    store.note(names[0], "a line of its log")
    assert fates(move(store, "digits", [*names, diverged.name, "never-trained"])) == ["moved"] * 4
    assert files_below(store.root) == ["archives/digits.zip"] and list((store.root / "runs").iterdir()) == []
    put(store, 7)
    assert store.records() == {**before, made(7).identity: made(7)}
    assert store.names() == sorted([*names, diverged.name, made(7).name])
    for name in names:
        found = store.result(name)
        assert found is not None and store.read(name) == before[found.identity]
        for arrays, read in ((CURVES, store.curves(found)), (HISTOGRAMS, store.histograms(found))):
            assert list(read) == list(arrays)
            for key, values in arrays.items():
                np.testing.assert_array_equal(read[key], values, strict=True)
        assert store.place(name) == store.root / "archives" / "digits.zip" / name
    assert store.place(made(7).name) == store.directory(made(7).name)
    assert store.read(diverged.name) == diverged and store.histograms(diverged).keys() == NO_HISTOGRAMS.keys()


def test_an_archive_can_be_read_without_this_package(archived: Store, tmp_path: Path) -> None:
    with zipfile.ZipFile(archived.archives / "digits.zip") as archive:
        archive.extractall(tmp_path / "unpacked" / "runs")
    unpacked = Store(tmp_path / "unpacked")
    assert unpacked.records() == archived.records()
    folder = unpacked.directory(made().name)
    assert json.loads((folder / "record.json").read_text())["name"] == made().name
    with np.load(folder / "curves.npz", allow_pickle=False) as curves:
        assert curves["train_loss"].tolist() == [2.5, 0.1 + 0.2]


def test_later_results_are_added_to_the_archive(archived: Store, tmp_path: Path) -> None:
    """The archive is then the same, byte for byte, as if all had been archived at once."""
    assert fates(move(archived, "digits", put(archived, 3, 4))) == ["moved"] * 2
    assert archived.records() == {made(seed).identity: made(seed) for seed in range(5)}
    at_once = Store(tmp_path / "at once")
    move(at_once, "digits", put(at_once, 4, 2, 0, 3, 1))
    assert (at_once.archives / "digits.zip").read_bytes() == (archived.archives / "digits.zip").read_bytes()


def test_records_of_early_versions_get_checksums_when_archived(store: Store) -> None:
    """Nothing else in their documents changes, and keys that were introduced later are not added."""
    old = made()
    folder = put_as_it_is(store, old, CURVES, HISTOGRAMS)
    before = json.loads((folder / "record.json").read_text())
    del before["config"]["replica"]
    (folder / "record.json").write_text(json.dumps(before))
    put(store, 1)
    text = (store.directory(made(1).name) / "record.json").read_bytes()
    move(store, "digits", [old.name, made(1).name])
    archive = Archive(store.archives / "digits.zip")
    document = json.loads(archive.read(old.name, "record.json"))
    assert document.keys() - before.keys() == {"checksum", "array_checksums"} and before.items() <= document.items()
    assert store.whole(old.name) is not None and store.read(old.name) == old
    assert archive.read(made(1).name, "record.json") == text


def test_only_results_move(store: Store) -> None:
    store.write(failed(0), {}, {})
    partial = store.directory(made(1).name)
    partial.mkdir(parents=True)
    (partial / "checkpoint.pt").write_bytes(b"a checkpoint")
    assert move(store, "digits", [made(seed).name for seed in range(3)]) == []
    assert store.read(failed(0).name) == failed(0) and (partial / "checkpoint.pt").exists()
    assert not store.archives.exists()


def test_an_archived_result_is_never_overwritten(archived: Store) -> None:
    for second in (made(), made(test_error=0.25), failed(0)):
        with pytest.raises(ResultExists, match=rf"digits\.zip/{made().name} already has a result"):
            archived.write(second, {**CURVES, "test_error": np.array([np.nan, second.test_error % 2])}, HISTOGRAMS)
    assert archived.read(made().name) == made() and files_below(archived.root / "runs") == []


def test_an_archived_result_takes_precedence_over_a_failure_in_a_folder(archived: Store) -> None:
    beside_its_archive(archived, failed(0), {}, {})
    assert (archived.directory(made().name) / "record.json").exists()
    assert archived.read(made().name) == made() and archived.records()[made().identity] == made()
    assert fates(move(archived, "digits", [made().name])) == ["already archived"]
    assert not archived.directory(made().name).exists()


def test_an_equal_record_beside_the_archived_one_is_not_a_conflict(archived: Store) -> None:
    again = made(timing={"wall_seconds": 9.0})
    beside_its_archive(archived, again, {**CURVES, "training_seconds": np.array([7.0, 8.0])}, HISTOGRAMS)
    before = (archived.archives / "digits.zip").read_bytes()
    assert archived.read(made().name) == made()
    assert archived.curves(made())["training_seconds"].tolist() == [1.0, 1.5]
    assert fates(move(archived, "digits", [made().name])) == ["already archived"]
    assert not archived.directory(made().name).exists() and (archived.archives / "digits.zip").read_bytes() == before


OTHERS: dict[str, tuple[Record, dict[str, Any], dict[str, Any]]] = {
    "final_metrics": (made(test_error=0.25), {"test_error": np.array([np.nan, 0.25])}, {}),
    "update_scale": (made(update_scale={"network": {"iqr": 1.25}}), {}, {}),
    "curves/train_loss": (made(), {"train_loss": np.array([2.5000001, 0.1 + 0.2])}, {}),
    "histograms/counts/network": (made(), {}, {"counts/network": counts(20, 22)}),
}


@pytest.mark.parametrize("what", OTHERS)
def test_two_different_results_of_one_run_are_an_error_that_names_both(
    what: str, archived: Store, caplog: pytest.LogCaptureFixture
) -> None:
    other, curves, histograms = OTHERS[what]
    beside_its_archive(archived, other, {**CURVES, **curves}, {**HISTOGRAMS, **histograms})
    folder, member = archived.directory(other.name), archived.archives / "digits.zip" / other.name
    with pytest.raises(RecordError) as caught:
        archived.read(other.name)
    assert str(folder) in str(caught.value) and str(member) in str(caught.value) and what in str(caught.value)
    assert made().identity not in archived.records() and len(archived.records()) == 2 and str(folder) in caplog.text
    before = files_below(archived.root), (archived.archives / "digits.zip").read_bytes()
    (moved,) = move(archived, "digits", [other.name])
    assert moved.fate == "conflicting" and moved.is_refused and what in moved.detail and str(member) in moved.detail
    assert (files_below(archived.root), (archived.archives / "digits.zip").read_bytes()) == before


def test_two_archives_may_hold_equal_results_but_not_different_ones(archived: Store, tmp_path: Path) -> None:
    (archived.archives / "quick.zip").write_bytes((archived.archives / "digits.zip").read_bytes())
    assert len(archived.records()) == 3
    other = Store(tmp_path / "other")
    other.write(made(test_error=0.25), {**CURVES, "test_error": np.array([np.nan, 0.25])}, HISTOGRAMS)
    move(other, "quick", [made().name])
    (archived.archives / "quick.zip").write_bytes((other.archives / "quick.zip").read_bytes())
    with pytest.raises(RecordError, match=rf"quick\.zip/{made().name} and .*digits\.zip/{made().name} have different"):
        archived.read(made().name)
    assert len(archived.records()) == 2


def test_a_run_of_two_profiles_is_archived_once(archived: Store) -> None:
    names = [made(seed).name for seed in range(4)]
    (archived.archives / "digits.zip").rename(archived.archives / "quick.zip")
    put(archived, 3)
    assert fates(move(archived, "digits", names)) == ["moved"]
    assert Archive(archived.archives / "digits.zip").names() == {names[3]} and len(archived.records()) == 4


def test_damaged_records_are_named_and_stay_in_their_folders(store: Store) -> None:
    names = put(store, 0, 1, 2)
    (store.directory(names[0]) / "record.json").write_text("{")
    path = store.directory(names[1]) / "histograms.npz"
    path.write_bytes(path.read_bytes()[:100])
    moved = {run.name: run for run in move(store, "digits", names)}
    assert [moved[name].fate for name in names] == ["damaged", "damaged", "moved"]
    assert str(path) in moved[names[1]].detail
    assert Archive(store.archives / "digits.zip").names() == {names[2]} and store.directory(names[0]).is_dir()


def test_a_foreign_archive_is_not_added_to(store: Store) -> None:
    names = put(store, 0)
    store.archives.mkdir()
    (store.archives / "digits.zip").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(RecordError, match=r"digits\.zip is not an archive"):
        move(store, "digits", names)
    assert store.read(names[0]) == made()


def test_a_damaged_archive_costs_only_its_own_records(archived: Store, caplog: pytest.LogCaptureFixture) -> None:
    put(archived, 5)
    path = archived.archives / "cut.zip"
    path.write_bytes((archived.archives / "digits.zip").read_bytes()[:-1])
    assert len(archived.records()) == 4 and str(path) in caplog.text
    assert archived.result(made(5).name) == made(5) and archived.place(made().name).parent.name == "digits.zip"


def test_a_damaged_member_costs_only_its_own_record(archived: Store, caplog: pytest.LogCaptureFixture) -> None:
    path = archived.archives / "digits.zip"
    name = made(1).name
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo(f"{name}/record.json").header_offset + 30 + len(f"{name}/record.json") + 100
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(RecordError, match=rf"digits\.zip/{name}/record\.json is damaged .*; fetch the archive again"):
        archived.read(name)
    assert archived.records().keys() == {made(0).identity, made(2).identity} and name in caplog.text


UNSOUND: dict[str, tuple[str, bytes | None, str]] = {
    "another run's name": ("zzz", None, "is the record of"),
    "a failure": (failed(5).name, json.dumps(failed(5).document()).encode(), "which an archive never contains"),
    "not a document": (made(5).name, b"hello", "is damaged"),
    "another run's document": (made(5).name, json.dumps(made(6).document()).encode(), "is the record of"),
    "its own document with other arrays": (
        made(5).name,
        json.dumps(made(5, test_error=0.25).document()).encode(),
        "curves.npz is damaged, missing or another record's",
    ),
}


@pytest.mark.parametrize("kind", UNSOUND)
def test_invalid_records_in_a_sound_archive_are_refused_by_name(
    kind: str, archived: Store, caplog: pytest.LogCaptureFixture
) -> None:
    name, document, said = UNSOUND[kind]
    archive = Archive(archived.archives / "digits.zip")
    files = {file: archive.read(made().name, file) for file in ("record.json", "curves.npz", "histograms.npz")}
    add(archive.path, [name], lambda _: {**files, **({} if document is None else {"record.json": document})})
    with pytest.raises(RecordError) as caught:
        archived.read(name)
    assert str(archive.path / name) in str(caught.value) and said in str(caught.value)
    assert len(archived.records()) == 3 and name in caplog.text


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("when", ["fsync", "replace", "unlink", "rmdir"])
def test_a_killed_move_loses_nothing_and_can_be_restarted(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed at each call of these functions in turn, until a move reaches its end."""
    original = getattr(os, when)
    survived = 0
    while True:
        store = Store(tmp_path / str(survived))
        names = put(store, 0, 1)
        expected = store.records()
        calls_left = survived

        def limited(*arguments: Any, **keywords: Any) -> None:
            nonlocal calls_left
            # A lock's owner writes to its file at times, and removes it at the end.
            of = arguments[0]
            if "locks" not in (os.readlink(f"/proc/self/fd/{of}") if type(of) is int else os.fspath(of)):
                if calls_left == 0:
                    raise Killed
                calls_left -= 1
            original(*arguments, **keywords)

        monkeypatch.setattr(os, when, limited)
        try:
            move(store, "digits", names)
        except Killed:
            monkeypatch.undo()
        else:
            monkeypatch.undo()
            break
        assert store.records() == expected
        for found in expected.values():
            assert store.curves(found).keys() == CURVES.keys() and store.histograms(found).keys() == HISTOGRAMS.keys()
        move(store, "digits", names)
        assert store.records() == expected and list((store.root / "runs").iterdir()) == []
        survived += 1
    assert survived == {"fsync": 2, "replace": 1, "unlink": 10, "rmdir": 2}[when]


def test_only_one_process_at_a_time_adds_to_an_archive(store: Store) -> None:
    names = put(store, 0)
    with store.claim("digits.zip"), pytest.raises(ArchiveBusy, match="is being written by another process"):
        move(store, "digits", names)
    assert fates(move(store, "digits", names)) == ["moved"]


def test_a_folder_is_removed_only_after_its_record_was_read_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = put(store, 0)
    original = Archive.read

    def other(archive: Archive, name: str, file: str) -> bytes:
        return original(archive, name, file).replace(b"2.5", b"3.5")

    def damaged(archive: Archive, name: str, file: str) -> bytes:
        raise ValueError("a broken disk")

    for read, said in ((other, "differs from"), (damaged, "a broken disk")):
        monkeypatch.setattr(Archive, "read", read)
        with pytest.raises(RecordError, match=rf"digits\.zip/{names[0]} .*{said}"):
            move(store, "digits", names)
        monkeypatch.undo()
        (store.archives / "digits.zip").unlink()
    assert (store.directory(names[0]) / "record.json").exists() and store.read(names[0]) == made()


def test_other_files_in_a_runs_folder_stay(store: Store) -> None:
    names = put(store, 0)
    (store.directory(names[0]) / "notes.txt").write_text("mine")
    move(store, "digits", names)
    assert files_below(store.root / "runs") == [f"{names[0]}/notes.txt"]


def test_archives_merge_like_folders(archived: Store, tmp_path: Path) -> None:
    here = Store(tmp_path / "here")
    put(here, 0)
    assert [run.fate for run in merge(archived, here)] == [
        "identical" if run == made().name else "added" for run in archived.names()
    ]
    assert here.records() == archived.records()
    assert {run.fate for run in merge(here, archived)} == {"identical"} and files_below(archived.root / "runs") == []
    other = Store(tmp_path / "other")
    put(other, 8)
    move(archived, "digits", put(archived, 9))
    assert merge(other, archived) == [Treated(made(8).name, "added")]
    assert archived.place(made(8).name) == archived.directory(made(8).name)


def test_a_damaged_archive_of_another_store_is_reported(archived: Store, tmp_path: Path) -> None:
    path = archived.archives / "digits.zip"
    path.write_bytes(path.read_bytes()[:-1])
    (merged,) = merge(archived, Store(tmp_path / "here"))
    assert merged.name == "digits.zip" and merged.is_refused and str(path) in merged.detail


def test_a_store_can_be_sent_to_another_process(archived: Store) -> None:
    archived.records()
    assert pickle.loads(pickle.dumps(archived)).records() == archived.records()


# The committed results, in the repository that contains this file.
ROOT = Path(__file__).resolve().parents[2]


def test_committed_archives_are_whole_and_small() -> None:
    """Each record matches its name, arrays and checksums, and no archive is too large for git."""
    store = Store(ROOT / "results")
    for path in sorted(store.archives.glob("*.zip")):
        names = Archive(path).names()
        assert names and path.stat().st_size < 40_000_000
        for name in names:
            whole = store.whole(name)
            assert whole is not None and re.fullmatch(r".*-[0-9a-f]{12}", name) and whole[0].array_checksums
