"""Coverage: every run of a grid is counted once, in the state that the store shows."""

from pathlib import Path

import pytest

from experiments.made import record
from scalefree.config import RunConfig
from scalefree.experiments import load_experiment, runs_of
from scalefree.experiments.coverage import coverage
from scalefree.records import Record, Store, run_name


def made(config: RunConfig, status: str, seconds: float) -> Record:
    found = record(
        config, None if status == "diverged" else 0.5, status="failed" if status == "failed" else "completed"
    )
    found.timing["wall_seconds"] = seconds
    return found


def test_states_and_time_left(tmp_path: Path) -> None:
    """Ten runs: a shallow one takes ten seconds, a deep one thirty."""
    experiment = load_experiment("corners", "smoke")
    runs = [config for config, _ in runs_of([experiment]).values()]
    shallow, deep = ([config for config in runs if config.model.depth == depth] for depth in (8, 14))
    assert len(shallow) == len(deep) == 5
    records = [
        made(shallow[0], "completed", 10.0),
        made(deep[0], "completed", 30.0),
        made(deep[1], "diverged", 1.0),
        made(deep[2], "failed", 1.0),
    ]
    store = Store(tmp_path)
    partial = store.directory(run_name(shallow[1])) / "checkpoint.pt"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"")
    found = coverage(experiment, store, {record.identity: record for record in records})
    states = (found.total, found.completed, found.diverged, found.partial, found.failed, found.missing)
    assert states == (10, 2, 1, 1, 1, 5)
    # Four shallow runs, and the deep ones that failed or were never begun.
    assert found.seconds_left == pytest.approx(4 * 10 + 3 * 30)


def test_the_pace_is_the_median_of_runs_of_the_kind(tmp_path: Path) -> None:
    experiment = load_experiment("with_bn", "smoke")
    first, second, last = (config for config, _ in runs_of([experiment]).values())
    for seconds, expected in (((10.0, 30.0), 20.0), ((7.0, 7.0), 7.0)):
        records = [made(config, "completed", of) for config, of in zip((first, second), seconds, strict=True)]
        # Longer trainings of the same kind tell as much, epoch by epoch.
        records[0].config["training"]["epochs"] *= 2
        records[0].timing["wall_seconds"] *= 2
        found = coverage(experiment, Store(tmp_path), {record.identity: record for record in records})
        assert found.missing == 1 and found.seconds_left == pytest.approx(expected)
    assert last.training.epochs == 2


def test_time_left_is_unknown_without_a_record_of_the_kind(tmp_path: Path) -> None:
    experiment = load_experiment("corners", "smoke")
    runs = [config for config, _ in runs_of([experiment]).values()]
    shallow = [made(config, "completed", 10.0) for config in runs if config.model.depth == 8]
    found = coverage(experiment, Store(tmp_path), {record.identity: record for record in shallow})
    assert found.seconds_left is None and (found.completed, found.missing, found.total) == (5, 5, 10)


def test_what_a_profile_leaves_out_has_nothing_left(tmp_path: Path) -> None:
    found = coverage(load_experiment("ladder", "quick"), Store(tmp_path), {})
    assert (found.total, found.seconds_left) == (0, 0.0)
