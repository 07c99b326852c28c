"""Checksums in records: how they are computed, that they reveal every change, and records without them."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.made_up import CURVES, HISTOGRAMS, NO_HISTOGRAMS, put, record
from scalefree.compose import run_config
from scalefree.records import Outcome, RecordError, Store
from scalefree.records.checksums import arrays_checksum


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path)
    made.write(record(), CURVES, HISTOGRAMS)
    return made


def document_of(store: Store) -> Any:
    return json.loads((store.directory(record().name) / "record.json").read_text())


def test_the_checksum_is_that_of_the_remaining_document_as_canonical_json(store: Store) -> None:
    document = document_of(store)
    told = document.pop("checksum")
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert told == hashlib.sha256(canonical.encode()).hexdigest()
    assert document.pop("array_checksums").keys() == {"curves", "histograms"}
    assert document == json.loads(json.dumps(record().document()))


def test_the_arrays_checksum_is_that_of_their_content() -> None:
    digest = hashlib.sha256()
    for name, kind in (("counts/network", "i8[2, 34]"), ("epoch", "i8[2]"), ("log2_lower_edge", "i8[31]")):
        digest.update(f"{name}\n{kind}\n".encode() + HISTOGRAMS[name].astype("<i8").tobytes(order="C"))
    assert arrays_checksum(HISTOGRAMS) == digest.hexdigest()


def test_order_layout_and_byte_order_do_not_change_the_checksum() -> None:
    expected = arrays_checksum(HISTOGRAMS)
    assert arrays_checksum(dict(reversed(HISTOGRAMS.items()))) == expected
    assert arrays_checksum({name: array.astype(">i8") for name, array in HISTOGRAMS.items()}) == expected
    assert arrays_checksum({name: np.asfortranarray(array) for name, array in HISTOGRAMS.items()}) == expected


def test_names_types_shapes_and_bits_change_the_checksum() -> None:
    made = {"a": np.array([1.0, 0.0, np.nan])}
    others: list[dict[str, Any]] = [
        {},
        {"b": made["a"]},
        {"a": made["a"].astype(np.float32)},
        {"a": made["a"].view(np.int64)},
        {"a": made["a"][:, None]},
        {"a": made["a"][:2]},
        {"a": np.array([1.0, -0.0, np.nan])},
        {"a": np.array([np.nextafter(1.0, 2.0), 0.0, np.nan])},
        {**made, "b": np.array([])},
    ]
    assert len({arrays_checksum(each) for each in [made, *others]}) == 1 + len(others)


def test_a_document_with_any_changed_digit_is_refused(store: Store) -> None:
    """Even if the value stays plausible, like seconds, quantiles or versions."""
    path = store.directory(record().name) / "record.json"
    whole = path.read_text()
    digits = [place for place, character in enumerate(whole) if character.isdigit()]
    for place in random.Random(2022).sample(digits, 150):
        changed = whole[:place] + str((int(whole[place]) + 1) % 10) + whole[place + 1 :]
        if json.loads(changed) == json.loads(whole):
            continue  # a digit beyond the number's precision
        path.write_text(changed)
        with pytest.raises(RecordError, match=r"record\.json (is not a valid record|is damaged|has format)"):
            store.read(record().name)
    path.write_text(whole.replace('"wall_seconds": 2.5', '"wall_seconds": 2.6'))
    with pytest.raises(RecordError, match="its checksum does not match: it was changed after it was"):
        store.read(record().name)
    path.write_text(json.dumps(json.loads(whole)))
    assert store.read(record().name) == record(), "whitespace does not change the checksum"


OTHER_ARRAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "seconds": ("curves", {**CURVES, "training_seconds": np.array([1.0, 1.625])}),
    "an inner epoch": ("curves", {**CURVES, "train_loss": np.array([2.25, 0.1 + 0.2])}),
    "a missing curve": ("curves", {name: curve for name, curve in CURVES.items() if name != "training_seconds"}),
    "the epoch of a histogram": ("histograms", {**HISTOGRAMS, "epoch": np.array([0, 2])}),
    "an additional array": ("histograms", {**HISTOGRAMS, "step": np.array([1, 13])}),
}


@pytest.mark.parametrize("kind", OTHER_ARRAYS)
def test_other_plausible_arrays_are_refused(kind: str, store: Store) -> None:
    stem, arrays = OTHER_ARRAYS[kind]
    path = store.directory(record().name) / f"{stem}.npz"
    np.savez(path, **arrays)
    with pytest.raises(RecordError, match=rf"{stem}\.npz is damaged.*its checksum differs from the record's"):
        store.whole(record().name)


def test_recompressed_arrays_are_accepted(store: Store) -> None:
    for stem, arrays in (("curves", CURVES), ("histograms", HISTOGRAMS)):
        named: dict[str, Any] = dict(arrays)
        np.savez(store.directory(record().name) / f"{stem}.npz", **named)
    assert store.whole(record().name) is not None


def test_records_without_checksums_are_readable_and_get_them_when_merged(store: Store, tmp_path: Path) -> None:
    old = record(run_config({"seed": 5}))
    put(store, old, CURVES, HISTOGRAMS)
    found = store.whole(old.name)
    assert found is not None and found[0] == old and found[0].array_checksums == {}
    other = Store(tmp_path / "other")
    other.write(*found)
    again = other.read(old.name)
    assert again == old and again is not None and again.array_checksums.keys() == {"curves", "histograms"}


@pytest.mark.parametrize("missing", ["checksum", "array_checksums", "curves", "histograms"])
def test_a_record_with_only_some_checksums_is_refused(missing: str, store: Store) -> None:
    path = store.directory(record().name) / "record.json"
    document = document_of(store)
    document.pop(missing, None)
    document["array_checksums"] = {k: v for k, v in document.get("array_checksums", {}).items() if k != missing}
    if missing == "array_checksums":
        del document["array_checksums"]
    rest = {key: value for key, value in document.items() if key != "checksum"}
    if missing != "checksum":
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
        document["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match="some of its checksums are missing"):
        store.read(record().name)


def test_failures_have_checksums_too(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failed = record(test_error=None, outcome=Outcome("failed", 0, "\u00e9 \U0001f600 out of memory"))
    store.write(failed, {}, {})
    assert store.read(failed.name) == failed and document_of(store)["array_checksums"]["curves"] == arrays_checksum({})
    assert arrays_checksum(NO_HISTOGRAMS) != arrays_checksum({})
