"""Coverage: every run of a grid is counted once, in the state that the store shows."""

from pathlib import Path

import pytest

from scalefree.experiments import load_experiment, runs_of
from scalefree.experiments.coverage import coverage
from scalefree.records import Outcome, Record, Store, run_identity, run_name, scientific_config


def record(config, status: str, seconds: float) -> Record:
    return Record(
        identity=run_identity(config),
        name=run_name(config),
        config=scientific_config(config),
        outcome=Outcome(status, 1),
        environment={},
        fingerprints={},
        final_metrics={"final_test_error": 0.5 if status == "completed" else None},
        timing={"wall_seconds": seconds},
    )


def test_states_and_time_left(tmp_path: Path) -> None:
    experiment = load_experiment("without_bn", "smoke")
    runs = [config for config, _ in runs_of([experiment]).values()]
    shallow = [config for config in runs if config.model.depth == 8]
    deep = [config for config in runs if config.model.depth == 14]
    store = Store(tmp_path)
    store.write(record(shallow[0], "completed", 10.0), {}, {})
    store.write(record(deep[0], "completed", 30.0), {}, {})
    store.write(record(deep[1], "diverged", 1.0), {}, {})
    store.write(record(deep[2], "failed", 1.0), {}, {})
    partial = store.directory(run_name(shallow[1])) / "checkpoint.pt"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"")
    found = coverage(experiment, store, store.records())
    assert (found.total, found.completed, found.diverged, found.partial, found.failed, found.missing) == (
        6,
        2,
        1,
        1,
        1,
        1,
    )
    # Two shallow runs at ten seconds and a deep one at thirty.
    assert found.seconds_left == pytest.approx(50)


def test_time_left_is_unknown_without_a_record_of_the_kind(tmp_path: Path) -> None:
    store = Store(tmp_path)
    found = coverage(load_experiment("without_bn", "smoke"), store, store.records())
    assert found.seconds_left is None and found.missing == found.total == 6
