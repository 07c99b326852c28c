"""Merging another store's records: added, skipped, reported or refused, and never overwriting one here."""

import dataclasses
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.made_up import CURVES, HISTOGRAMS, counts, put, record
from records.made_up import diverged as made_up_diverged
from scalefree.compose import run_config
from scalefree.records import Outcome, Record, Store
from scalefree.records.comparison import Treated
from scalefree.records.merge import merge, summary

ENVIRONMENT = {"device": "cpu: A", "threads": 1, "commit": "abc", "packages": {"torch": "2.15.0", "wandb": "0.31.0"}}


def made(seed: int = 0, **changes: Any) -> Record:
    """A completed run of two epochs."""
    config = run_config({"seed": seed, "training.epochs": 2})
    return record(config, **{"environment": ENVIRONMENT, **changes})


def failed(seed: int = 0) -> Record:
    return made(seed, test_error=None, outcome=Outcome("failed", 0, "out of memory"))


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return Store(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Store:
    store = Store(tmp_path / "there")
    (store.root / "runs").mkdir(parents=True)
    return store


def add(store: Store, what: Record, **curves: Any) -> Record:
    store.write(what, {**CURVES, **curves}, HISTOGRAMS)
    return what


def content(store: Store) -> dict[str, bytes]:
    """The content of every file of a store."""
    return {str(path.relative_to(store.root)): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


def only(merged: list[Treated]) -> Treated:
    (one,) = merged
    return one


def test_missing_records_are_added_whole(here: Store, there: Store) -> None:
    written = [add(there, made(seed)) for seed in range(3)]
    merged = merge(there, here)
    assert [(run.name, run.fate) for run in merged] == sorted((each.name, "added") for each in written)
    assert here.records() == there.records() and content(here) == content(there)
    assert [run.fate for run in merge(there, here)] == ["identical"] * 3
    assert list((here.root / "locks").iterdir()) == []


def test_a_diverged_run_is_a_result_too(here: Store, there: Store) -> None:
    diverged = made_up_diverged(update_scale={"network": {"iqr": 1.5}})
    there.write(diverged, {"train_loss": np.array([2.5])}, HISTOGRAMS)
    assert only(merge(there, here)).fate == "added"
    assert here.records() == {diverged.identity: diverged}


def test_differences_in_timing_are_not_a_conflict(here: Store, there: Store) -> None:
    add(here, made())
    add(there, made(timing={"wall_seconds": 99.0}), training_seconds=np.array([7.0, 8.0]))
    before = content(here)
    assert only(merge(there, here)) == Treated(made().name, "identical")
    assert content(here) == before


OTHER_CONTENT: dict[str, Callable[[Store], Any]] = {
    "curves/train_loss": lambda store: add(store, made(), train_loss=np.array([2.5000001, 0.1 + 0.2])),
    "update_scale": lambda store: add(store, made(update_scale={"network": {"iqr": 1.25}})),
    "final_metrics": lambda store: add(
        store,
        made(test_error=0.25),
        test_error=np.array([np.nan, 0.25]),
    ),
    "outcome": lambda store: add(store, made(outcome=Outcome("completed", 25))),
    "histograms/counts/network": lambda store: store.write(
        made(), CURVES, {**HISTOGRAMS, "counts/network": counts(20, 22)}
    ),
    "curves/eta": lambda store: add(store, made(), eta=np.array([1.0, 1.0])),
}


@pytest.mark.parametrize("what", OTHER_CONTENT)
def test_different_content_from_the_same_device_and_build_is_a_conflict(what: str, here: Store, there: Store) -> None:
    add(here, made())
    OTHER_CONTENT[what](there)
    before = content(here)
    conflict = only(merge(there, here))
    assert conflict.fate == "conflicting" and what in conflict.detail and "the one here is kept" in conflict.detail
    assert content(here) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("device", "cuda: B"), ("threads", 8), ("commit", "def"), ("packages", {"torch": "2.14.0"})],
)
def test_different_content_from_another_device_or_build_is_not_a_conflict(
    key: str, value: Any, here: Store, there: Store
) -> None:
    add(here, made())
    add(there, made(environment={**ENVIRONMENT, key: value}), train_loss=np.array([2.4, 0.1 + 0.2]))
    before = content(here)
    twin = only(merge(there, here))
    assert twin.fate == "computed elsewhere" and "the one here is kept" in twin.detail
    assert ("torch" if key == "packages" else key) in twin.detail
    assert content(here) == before


def test_settings_that_cannot_change_a_bit_are_not_another_build(here: Store, there: Store) -> None:
    packages = {**ENVIRONMENT["packages"], "wandb": "0.32.0"}  # type: ignore[dict-item]
    add(here, made())
    environment = {**ENVIRONMENT, "packages": packages, "cpu_count": 64, "dataset_root": "elsewhere"}
    add(there, made(environment=environment), train_loss=np.array([2.4, 0.1 + 0.2]))
    assert only(merge(there, here)).fate == "conflicting"


def test_other_images_are_a_conflict_on_any_device(here: Store, there: Store) -> None:
    add(here, made())
    add(
        there,
        made(environment={**ENVIRONMENT, "device": "cuda: B"}, fingerprints={"train": "9" * 64, "test": "cd" * 32}),
    )
    conflict = only(merge(there, here))
    assert conflict.fate == "conflicting" and "fingerprints" in conflict.detail


def damage(store: Store, file: str, change: Callable[[bytes], bytes]) -> None:
    path = store.directory(made().name) / file
    path.write_bytes(change(path.read_bytes()))


def relabel(text: bytes) -> bytes:
    document = json.loads(text)
    del document["checksum"], document["array_checksums"]
    document["config"]["seed"] = 5
    return json.dumps(document).encode()


def pickled(text: bytes) -> bytes:
    file = io.BytesIO()
    np.savez(file, train_loss=np.array([print, print], dtype=object))
    return file.getvalue()


def flipped(text: bytes) -> bytes:
    """Flips one bit of the first array, after its name and header."""
    place = text.index(b"train_loss.npy") + 50
    return text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :]


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "truncated document": ("record.json", lambda text: text[: len(text) // 2]),
    "empty document": ("record.json", lambda text: b""),
    "foreign document": ("record.json", lambda text: b"[]"),
    "mislabelled document": ("record.json", relabel),
    "truncated curves": ("curves.npz", lambda text: text[: len(text) // 2]),
    "flipped curves": ("curves.npz", flipped),
    "pickled curves": ("curves.npz", pickled),
    "empty histograms": ("histograms.npz", lambda text: b""),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_record_is_refused_by_name(kind: str, here: Store, there: Store) -> None:
    file, change = DAMAGE[kind]
    add(there, made())
    sound = add(there, made(1))
    damage(there, file, change)
    merged = {run.name: run for run in merge(there, here)}
    assert merged[made().name].fate == "damaged"
    assert str(there.directory(made().name) / file) in merged[made().name].detail
    assert merged[sound.name].fate == "added" and here.records() == {sound.identity: sound}
    assert not here.directory(made().name).exists()


def test_arrays_of_another_run_are_refused(here: Store, there: Store) -> None:
    put(there, made(), {**CURVES, "test_error": np.array([np.nan, 0.25])}, HISTOGRAMS)
    put(there, made(1), CURVES, {**HISTOGRAMS, "counts/network": counts(20, 21) * 2})
    add(there, made(2))
    merged = {run.name: run for run in merge(there, here)}
    for seed, file in ((0, "curves.npz"), (1, "histograms.npz")):
        name = made(seed).name
        assert merged[name].fate == "damaged" and str(there.directory(name) / file) in merged[name].detail
    assert list(here.records()) == [made(2).identity]


def test_a_damaged_record_here_is_reported_and_kept(here: Store, there: Store) -> None:
    add(there, made())
    add(here, made())
    damage(here, "curves.npz", lambda text: text[:30])
    before = content(here)
    told = only(merge(there, here))
    assert told.fate == "damaged" and str(here.directory(made().name) / "curves.npz") in told.detail
    assert content(here) == before


def test_partial_runs_and_failures_are_not_merged(here: Store, there: Store) -> None:
    add(there, failed(0))
    partial = there.directory(made(1).name)
    partial.mkdir(parents=True)
    (partial / "checkpoint.pt").write_bytes(b"a checkpoint")
    assert [run.fate for run in merge(there, here)] == ["unfinished"] * 2
    assert here.records() == {} and content(here) == {}


def test_a_result_replaces_a_failure_and_its_checkpoint(here: Store, there: Store) -> None:
    here.write(failed(), {}, {})
    for leftover in ("checkpoint.pt", ".checkpoint.pt.x.tmp"):
        (here.directory(made().name) / leftover).write_bytes(b"of the attempt that failed")
    add(there, made())
    assert only(merge(there, here)).fate == "added"
    assert content(here) == content(there)
    put(there, failed(), {}, {})
    assert only(merge(there, here)).fate == "unfinished"
    assert here.records() == {made().identity: made()}, "a failure never replaces a result"


def test_a_run_that_is_being_trained_here_is_not_touched(here: Store, there: Store) -> None:
    add(there, made())
    with here.claim(made().name):
        assert only(merge(there, here)).fate == "being trained here"
    assert here.records() == {}
    assert only(merge(there, here)).fate == "added"


def test_merging_two_stores_in_either_order_gives_the_same_content(here: Store, there: Store, tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        add(here, made(seed))
    here.write(failed(5), {}, {})
    for seed in (2, 3, 4, 5):
        add(there, made(seed))
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    shutil.copytree(here.root, one.root)
    shutil.copytree(there.root, two.root)
    merge(there, one)
    merge(here, two)
    assert one.records() == two.records() and len(one.records()) == 6
    assert {name: text for name, text in content(one).items() if "locks" not in name} == content(two)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_a_killed_merge_leaves_only_whole_records_and_can_be_restarted(
    when: str, here: Store, there: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed at each call of these functions in turn, until a merge reaches its end."""
    for seed in range(2):
        add(there, made(seed))
    original = getattr(os, when)
    survived = 0
    while True:
        calls_left = survived

        def limited(*arguments: Any) -> None:
            nonlocal calls_left
            # A lock's owner writes to its file at times, which means nothing after the owner's death.
            if when == "replace" or "locks" not in os.readlink(f"/proc/self/fd/{arguments[0]}"):
                if calls_left == 0:
                    raise Killed
                calls_left -= 1
            original(*arguments)

        store = Store(here.root / str(survived))
        monkeypatch.setattr(os, when, limited)
        try:
            merge(there, store)
        except Killed:
            monkeypatch.undo()
        else:
            monkeypatch.undo()
            break
        for found in store.records().values():
            assert found == there.read(found.name)
            assert store.curves(found).keys() == CURVES.keys() and store.histograms(found).keys() == HISTOGRAMS.keys()
        merge(there, store)
        assert content(store) == content(there)
        survived += 1
    assert survived == {"fsync": 12, "replace": 6}[when], "two records of three files"


def test_a_folder_without_runs_is_refused(here: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere is not a store of records"):
        merge(Store(tmp_path / "nowhere"), here)
    assert not here.root.exists()


def test_the_summary_counts_fates_and_names_runs(here: Store, there: Store) -> None:
    add(here, made(0))
    for seed in (0, 1):
        add(there, made(seed))
    add(there, dataclasses.replace(made(2), outcome=Outcome("completed", 3)))
    add(here, made(2))
    add(there, failed(3))
    lines = summary(merge(there, here)).splitlines()
    assert lines[0] == "1 added, 1 identical, 1 conflicting, 1 unfinished"
    assert lines[1] == f"  added: {made(1).name}"
    assert lines[2] == f"  conflicting: {made(2).name}: different outcome; the one here is kept"
    assert lines[3].startswith(f"  unfinished: {made(3).name}: ") and len(lines) == 4
    assert summary([]) == "no records"


def test_runs_that_changed_their_build_midway_do_not_conflict(here: Store, there: Store) -> None:
    """Even if both list the same builds, nobody knows which steps were taken with which."""
    changed = {**ENVIRONMENT, "earlier_sessions": [{**ENVIRONMENT, "commit": "older"}]}
    for ours, theirs in (({**ENVIRONMENT, "earlier_sessions": []}, changed), (changed, changed)):
        for store in (here, there):
            shutil.rmtree(store.root / "runs", ignore_errors=True)
        add(here, made(environment=ours))
        add(there, made(environment=theirs), train_loss=np.array([2.5000001, 0.1 + 0.2]))
        merged = only(merge(there, here))
        assert merged.fate == "computed elsewhere" and "different build in its earlier sessions" in merged.detail
    for store in (here, there):
        shutil.rmtree(store.root / "runs")
    add(there, made(environment={**ENVIRONMENT, "earlier_sessions": []}), train_loss=np.array([2.5000001, 0.1 + 0.2]))
    add(here, made())
    assert only(merge(there, here)).fate == "conflicting"


def test_existing_records_are_compared_without_a_claim(
    here: Store, there: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(here, made())
    add(there, made())
    monkeypatch.setattr(Store, "claim", pytest.fail)
    assert only(merge(there, here)).fate == "identical"
