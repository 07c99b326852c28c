"""The store: whole records or none, read back exactly, by this package or other tools."""

import errno
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.made_up import CURVES, HISTOGRAMS, NO_HISTOGRAMS, put, record
from records.made_up import diverged as made_up_diverged
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.records import Outcome, Record, RecordError, ResultExists, Store

Tamper = Callable[[dict[str, Any]], Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_record_is_read_back_as_it_was_written(store: Store) -> None:
    written = record()
    directory = store.write(written, CURVES, HISTOGRAMS)
    assert directory == store.root / "runs" / written.name
    assert store.read(written.name) == written
    assert store.records() == {written.identity: written}
    for arrays, found in ((CURVES, store.curves(written)), (HISTOGRAMS, store.histograms(written))):
        assert found.keys() == arrays.keys()
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values, strict=True)


def test_a_record_can_be_read_with_json_and_numpy_alone(store: Store) -> None:
    written = record()
    directory = store.write(written, CURVES, HISTOGRAMS)
    assert {path.name for path in directory.iterdir()} == {"record.json", "curves.npz", "histograms.npz"}
    document = json.loads((directory / "record.json").read_text(encoding="ascii"))
    assert document["format"] == 1 and document["outcome"] == {
        "status": "completed",
        "step": 24,
        "reason": "",
    }
    assert document["final_metrics"]["final_test_error"] == 0.125
    assert document["config"]["optimizer"]["lr"] == RunConfig().optimizer.lr
    with np.load(directory / "curves.npz", allow_pickle=False) as curves:
        assert curves["train_loss"].tolist() == [2.5, 0.1 + 0.2] and set(curves) == set(CURVES)


def test_diverged_and_failed_records_are_read_back_too(store: Store) -> None:
    diverged = made_up_diverged(run_config({"seed": 1}))
    failed = record(run_config({"seed": 2}), None, outcome=Outcome("failed", 0, "Traceback\nOSError: full"))
    store.write(diverged, {}, NO_HISTOGRAMS)
    store.write(failed, {}, {})
    assert store.records() == {diverged.identity: diverged, failed.identity: failed}
    assert diverged.outcome.is_result and not failed.outcome.is_result
    assert diverged.test_error == 2.0 and diverged.validation_error is None


def test_an_empty_store_has_no_records_and_is_not_created(store: Store) -> None:
    assert store.records() == {} and store.read("no-such-run") is None
    assert not store.root.exists()


def _without(key: str) -> Tamper:
    return lambda document: {name: value for name, value in document.items() if name != key}


def _with(*keys: str, value: Any) -> Tamper:
    def tamper(document: dict[str, Any]) -> dict[str, Any]:
        node = document
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value
        return document

    return tamper


TAMPERED: dict[str, Tamper] = {
    "another format": _with("format", value=99),
    "no format": _without("format"),
    "a missing key": _without("outcome"),
    "an added key": _with("surprise", value=1),
    "an edited config": _with("config", "optimizer", "lr", value=0.5),
    "an edited identity": _with("identity", value="000000000000"),
    "an impossible error": _with("final_metrics", "final_test_error", value=1.5),
    "an error that is not a number": _with("final_metrics", "final_test_error", value="low"),
    "no error": _with("final_metrics", value={}),
    "an unknown outcome": _with("outcome", "status", value="finished"),
    "an error of a diverged run": _with("outcome", "status", value="diverged"),
    "no outcome at all": _with("outcome", value=None),
    "a list": lambda document: [document],
    "a number": lambda document: 3,
    "null": lambda document: None,
}


def assert_refused_and_left_out(store: Store, name: str, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Asserts that `read` names the file and what to do, and `records` warns and returns the others."""
    good = record(run_config({"seed": 5}))
    store.write(good, CURVES, HISTOGRAMS)
    with pytest.raises(RecordError) as caught:
        store.read(name)
    said = str(caught.value)
    assert str(path) in said and ("remove" in said or "move it" in said)
    with caplog.at_level(logging.WARNING):
        assert store.records() == {good.identity: good}
    assert str(path) in caplog.text


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_tampered_record_is_refused_by_name(store: Store, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    written = record()
    path = store.write(written, CURVES, HISTOGRAMS) / "record.json"
    document = json.loads(path.read_text())
    del document["checksum"], document["array_checksums"]  # which would reveal any change
    path.write_text(json.dumps(TAMPERED[kind](document)))
    assert_refused_and_left_out(store, written.name, path, caplog)


@pytest.mark.parametrize("content", [b"", b"{", b"\x80\x81garbage", b"NaN"], ids=["empty", "truncated", "bytes", "nan"])
def test_a_damaged_record_is_refused_by_name(store: Store, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    written = record()
    path = store.write(written, CURVES, HISTOGRAMS) / "record.json"
    path.write_bytes(content)
    assert_refused_and_left_out(store, written.name, path, caplog)


def test_a_record_that_cannot_be_opened_is_refused_by_name(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    written = record()
    path = store.directory(written.name) / "record.json"
    path.mkdir(parents=True)
    assert_refused_and_left_out(store, written.name, path, caplog)


def test_a_record_cut_anywhere_is_refused(store: Store) -> None:
    written = record()
    path = store.write(written, CURVES, HISTOGRAMS) / "record.json"
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError, match=r"record\.json"):
            store.read(written.name)


def test_a_record_in_another_runs_directory_is_refused(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    written = record()
    directory = store.write(written, CURVES, HISTOGRAMS)
    elsewhere = directory.with_name("elsewhere")
    directory.rename(elsewhere)
    assert_refused_and_left_out(store, "elsewhere", elsewhere / "record.json", caplog)


def test_a_record_under_another_runs_name_is_refused(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    other = record(run_config({"seed": 1}))
    path = put(store, record(name=other.name), CURVES, HISTOGRAMS) / "record.json"
    assert_refused_and_left_out(store, other.name, path, caplog)


def test_damaged_missing_and_pickled_arrays_are_refused_by_name(store: Store) -> None:
    written = record()
    path = store.write(written, CURVES, HISTOGRAMS) / "curves.npz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(b"train_loss.npy") + 50] ^= 0xFF
    for content in (whole[: len(whole) // 2], b"", b"no archive", bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=r"curves\.npz"):
            store.curves(written)
    with path.open("wb") as file:
        np.savez(file, train_loss=np.array([print], dtype=object))
    with pytest.raises(RecordError, match=r"curves\.npz.*train_loss is object"):
        store.curves(written)
    path.unlink()
    with pytest.raises(RecordError, match=r"curves\.npz"):
        store.curves(written)
    assert store.histograms(written).keys() == HISTOGRAMS.keys()


class Killed(BaseException):
    """Stands for the end of the process: `except Exception` does not catch it."""


def ending_with(error: BaseException) -> Callable[..., None]:
    def end(*_: object, **__: object) -> None:
        raise error

    return end


@pytest.mark.parametrize("when", ["replace", "fsync"])
@pytest.mark.parametrize(
    "error", [Killed(), OSError(errno.ENOSPC, "No space left on device")], ids=["killed", "full disk"]
)
def test_a_crash_during_any_write_leaves_no_record_and_no_partial_file(
    store: Store, monkeypatch: pytest.MonkeyPatch, when: str, error: BaseException
) -> None:
    """The three files are written one after another: it crashes in the first, the second and the third."""
    original = getattr(os, when)
    for survived in range(3):
        written = record(run_config({"seed": survived}))
        # Each write calls fsync twice, for the file and its directory.
        calls_left = survived * (2 if when == "fsync" else 1)

        def limited(*arguments: Any) -> None:
            nonlocal calls_left
            if calls_left == 0:
                raise error
            calls_left -= 1
            original(*arguments)

        monkeypatch.setattr(os, when, limited)
        with pytest.raises(type(error)):
            store.write(written, CURVES, HISTOGRAMS)
        monkeypatch.undo()
        names = [path.name for path in files_below(store.directory(written.name))]
        assert names == ["curves.npz", "histograms.npz"][:survived]
        assert store.read(written.name) is None and store.records() == {}


def test_a_full_disk_while_a_record_is_replaced_keeps_the_old_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = record(test_error=None, outcome=Outcome("failed", 0, "first attempt"))
    store.write(failed, {}, {})
    monkeypatch.setattr(os, "fsync", ending_with(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        store.write(record(), CURVES, HISTOGRAMS)
    monkeypatch.undo()
    assert store.read(failed.name) == failed


def result_bytes(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files_below(store.root)}


def test_a_result_is_never_replaced(store: Store) -> None:
    first = record()
    store.write(first, CURVES, HISTOGRAMS)
    before = result_bytes(store)
    other = record(test_error=0.25)
    failed = record(test_error=None, outcome=Outcome("failed", 0, "a second attempt"))
    for second in (first, other, failed):
        with pytest.raises(ResultExists, match=f"{first.name} already has a result"):
            store.write(second, {**CURVES, "test_error": np.array([np.nan, second.test_error % 2])}, HISTOGRAMS)
        assert result_bytes(store) == before


def test_a_result_that_appears_while_another_is_written_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was suspended for long has lost its run, and may continue at any moment."""
    original = np.savez_compressed
    before: dict[str, bytes] = {}

    def resumed(*arguments: Any, **arrays: Any) -> None:
        monkeypatch.undo()
        Store(store.root).write(record(test_error=0.25), {**CURVES, "test_error": np.array([np.nan, 0.25])}, HISTOGRAMS)
        before.update(result_bytes(store))
        original(*arguments, **arrays)

    monkeypatch.setattr(np, "savez_compressed", resumed)
    with pytest.raises(ResultExists):
        store.write(record(), CURVES, HISTOGRAMS)
    finished = {path.name for path in store.directory(record().name).iterdir()}
    assert finished == {"curves.npz", "histograms.npz", "record.json"}
    assert store.records()[record().identity].test_error == 0.25
    assert {name: text for name, text in before.items() if name in finished} == result_bytes(store)


def test_a_damaged_record_is_not_overwritten_either(store: Store) -> None:
    path = store.write(record(), CURVES, HISTOGRAMS) / "record.json"
    path.write_text("{")
    with pytest.raises(RecordError, match=r"record\.json is damaged"):
        store.write(record(), CURVES, HISTOGRAMS)
    assert path.read_text() == "{"


@pytest.mark.parametrize("name", ["../../elsewhere", "/tmp/elsewhere", "zzz-2b329baab201", "..", ""])
def test_a_name_that_does_not_match_the_configuration_is_not_written(store: Store, name: str) -> None:
    with pytest.raises(RecordError, match="was not written, because it could not be read back"):
        store.write(record(name=name), CURVES, HISTOGRAMS)
    assert not store.root.exists()


def test_a_record_that_could_not_be_read_back_is_not_written(store: Store) -> None:
    for made, curves, histograms in (
        (record(timing={"wall_seconds": float("inf")}), CURVES, HISTOGRAMS),
        (record(parameters=0), CURVES, HISTOGRAMS),
        (record(), {**CURVES, "test_error": np.array([0.5, 0.25])}, HISTOGRAMS),
        (record(), CURVES, {**HISTOGRAMS, "epoch": np.array([1, 3])}),
    ):
        with pytest.raises(RecordError, match=f"{made.name} was not written"):
            store.write(made, curves, histograms)
    assert not store.root.exists()


def test_record_json_is_written_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    original = os.replace

    def watched(source: str, target: Path) -> None:
        order.append(target.name)
        original(source, target)

    monkeypatch.setattr(os, "replace", watched)
    store.write(record(), CURVES, HISTOGRAMS)
    assert order[-1] == "record.json" and sorted(order) == ["curves.npz", "histograms.npz", "record.json"]


def test_a_record_with_numbers_that_json_lacks_is_not_written(
    store: Store,
) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.write(record(timing={"wall_seconds": float("nan")}), CURVES, HISTOGRAMS)
    assert store.records() == {}


def test_only_runs_with_held_out_images_have_a_validation_error() -> None:
    def made(share: float, **metrics: float | None) -> Record:
        final = {"final_test_error": 0.25, **metrics}
        return record(run_config({"dataset.validation_fraction": share}), final_metrics=final)

    assert made(0.0).validation_error is None
    assert made(0.1, final_validation_error=0.5).validation_error == 0.5
    diverged = made_up_diverged(run_config({"dataset.validation_fraction": 0.1}))
    assert diverged.validation_error == 2.0 and diverged.test_error == 2.0


def test_a_run_behind_a_broken_link_is_reported(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    one, other = (record(run_config({"seed": seed}), 0.125) for seed in range(2))
    for each in (one, other):
        put(store, each, CURVES, HISTOGRAMS)
    there = store.directory(other.name)
    there.rename(store.root / "elsewhere")
    there.symlink_to(store.root / "unmounted")
    assert store.names() == [one.name]
    assert f"left out: {there} is a broken link" in caplog.text
