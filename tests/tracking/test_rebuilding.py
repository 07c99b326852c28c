"""A wandb log whose parts do not match is refused with the reason."""

import copy
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import TINY
from scalefree.compose import run_config
from scalefree.records import Record, RecordError, Store
from scalefree.tracking.deadline import within
from scalefree.tracking.rebuilding import log_of, rebuild
from scalefree.tracking.sessions import Session, newest, sessions
from scalefree.training import run, trainer

Rows = list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class ScriptedSession(Session):
    """A session with the given log entries."""

    entries: tuple[dict[str, Any], ...] = ()

    def rows(self) -> Rows:
        return copy.deepcopy(list(self.entries))


class Run:
    """A run whose third epoch is not evaluated, and its wandb log."""

    def __init__(self, results: Path) -> None:
        values = {"training.epochs": 4, "training.evaluate_every": 2, "tracking": "offline"}
        self.record: Record = run(run_config({**TINY, **values, "results_dir": str(results)})).record
        self.store = Store(results)
        (self.session,) = newest(sessions(results / "wandb")).values()
        self.rows = self.session.rows()

    def with_rows(self, rows: Rows) -> ScriptedSession:
        return ScriptedSession(**{**vars(self.session), "entries": tuple(rows)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("rebuilt"))


def items(rows: Rows) -> Rows:
    """The logged epochs, which can be changed in place."""
    return [row["history"]["item"] for row in rows if row["type"] == "history"]


def test_record_curves_and_histograms_are_restored_bit_for_bit(trained: Run) -> None:
    found = rebuild(log_of(trained.session))
    assert found is not None
    record, curves, histograms = found
    assert record.document() == trained.record.document()
    for rebuilt, expected in (
        (curves, trained.store.curves(record)),
        (histograms, trained.store.histograms(record)),
    ):
        assert list(rebuilt) == list(expected)
        for name, array in expected.items():
            assert rebuilt[name].dtype == array.dtype and rebuilt[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("change", ["missing", "repeated"])
def test_a_history_with_a_gap_or_a_repeated_step_is_refused(change: str, trained: Run) -> None:
    rows = copy.deepcopy(trained.rows)
    second = next(row for row in rows if row["type"] == "history" and row["history"]["item"]["epoch"] == 2)
    if change == "missing":
        rows.remove(second)
    else:
        rows.insert(rows.index(second), second)
    with pytest.raises(RecordError, match="missing or repeated"):
        rebuild(log_of(trained.with_rows(rows)))


def test_a_configuration_that_differs_from_the_record_is_refused(trained: Run) -> None:
    rows = copy.deepcopy(trained.rows)
    (told,) = [row["run"] for row in rows if row["type"] == "run"]
    told["config"]["update"]["optimizer"]["lr"] = 0.5
    with pytest.raises(RecordError, match="a different optimizer than in its record"):
        rebuild(log_of(trained.with_rows(rows)))


def test_a_record_with_another_identity_is_refused(trained: Run) -> None:
    rows = copy.deepcopy(trained.rows)
    for row in rows:
        update = row.get("summary", {}).get("update", {})
        if "record" in update:
            update["record"] = update["record"].replace('"seed": 0', '"seed": 7')
    with pytest.raises(RecordError, match="identity"):
        rebuild(log_of(trained.with_rows(rows)))


def with_record(rows: Rows, text: Any) -> Rows:
    """The log with another record in its summary."""
    changed = copy.deepcopy(rows)
    for row in changed:
        update = row.get("summary", {}).get("update", {})
        if "record" in update:
            update["record"] = text
    return changed


PLACES = (
    "../../../../x-{}",
    "/tmp/x-{}",
    "..",
    "x/../{}",
    "\x1b[31mred-{}",
    "a\0b-{}",
    "x" * 300 + "-{}",
    "zzz-{}",
    "{}",
)


@pytest.mark.parametrize("place", PLACES)
def test_a_record_with_another_or_unsafe_name_is_refused(place: str, trained: Run) -> None:
    document = {**trained.record.document(), "name": place.format(trained.record.identity)}
    with pytest.raises(RecordError, match=r"its name is|name is .* at most 255 characters") as caught:
        rebuild(log_of(trained.with_rows(with_record(trained.rows, json.dumps(document)))))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", [3, None, {"a": 1}, [], True, "", "[" * 50_000, "NaN", "[]", "{}"])
def test_anything_but_a_record_is_refused(text: Any, trained: Run) -> None:
    with pytest.raises(RecordError):
        rebuild(log_of(trained.with_rows(with_record(trained.rows, text))))


@pytest.mark.parametrize("key", ["update_scale", "fingerprints", "timing", "environment", "outcome", "final_metrics"])
@pytest.mark.parametrize("value", [None, 3, [], {"network": {}, "nope": {}}])
def test_a_record_with_a_wrong_entry_is_refused(key: str, value: Any, trained: Run) -> None:
    document = {**trained.record.document(), key: value}
    if key == "environment" and isinstance(value, dict):
        return  # shown as text, so it may say anything
    with pytest.raises(RecordError):
        rebuild(log_of(trained.with_rows(with_record(trained.rows, json.dumps(document)))))


@pytest.mark.parametrize(
    ("name", "value"),
    [("test_error", {}), ("test_error", "much"), ("update_scale/network/log2_histogram.values", [10**30] * 34)],
)
def test_a_row_with_wrong_values_is_refused(name: str, value: Any, trained: Run) -> None:
    rows = copy.deepcopy(trained.rows)
    for item in items(rows):
        item[name] = value
    with pytest.raises(RecordError, match="another version"):
        rebuild(log_of(trained.with_rows(rows)))


def test_entries_without_their_parts_are_refused(trained: Run) -> None:
    for row in ({"type": "run"}, {"type": "run", "run": {"config": None}}):
        others = [entry for entry in trained.rows if entry["type"] != "run"]
        with pytest.raises(RecordError):
            rebuild(log_of(trained.with_rows([row, *others])))


def test_a_pipe_in_place_of_the_log_is_refused_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "offline-run-20260101_000000-abc"
    folder.mkdir()
    os.mkfifo(folder / "run-abc.wandb")
    (session,) = sessions(tmp_path)

    def attempt() -> None:
        with pytest.raises(RecordError, match="is not a regular file"):
            rebuild(log_of(session))

    within(20, attempt)


def test_a_missing_histogram_is_refused(trained: Run) -> None:
    rows = copy.deepcopy(trained.rows)
    for item in items(rows):
        item.pop("gradient/head/log2_histogram.values", None)
    with pytest.raises(RecordError, match="another version"):
        rebuild(log_of(trained.with_rows(rows)))


def test_a_log_without_a_record_gives_none(trained: Run) -> None:
    rows = [row for row in trained.rows if "record" not in row.get("summary", {}).get("update", {})]
    assert rebuild(log_of(trained.with_rows(rows))) is None


def test_infinite_values_are_restored(trained: Run) -> None:
    rows = copy.deepcopy(trained.rows)
    items(rows)[1]["test_loss"] = "Infinity"
    found = rebuild(log_of(trained.with_rows(rows)))
    assert found is not None and np.isinf(found[1]["test_loss"][1])


def test_a_diverged_run_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = trainer.steps

    def diverging(*arguments: Any) -> Any:
        for loss in original(*arguments):
            if arguments[1] == 1:
                arguments[0].fast.flat.vector.data.fill_(float("nan"))
            yield loss

    monkeypatch.setattr(trainer, "steps", diverging)
    values = {**TINY, "tracking": "offline", "training.epochs": 3, "results_dir": str(tmp_path)}
    record = run(run_config(values)).record
    assert record.outcome.status == "diverged"
    (session,) = newest(sessions(tmp_path / "wandb")).values()
    found = rebuild(log_of(session))
    assert found is not None and found[0].document() == record.document()
    assert {len(curve) for curve in found[1].values()} == {1}
