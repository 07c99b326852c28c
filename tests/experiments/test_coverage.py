"""Coverage: every run of a grid is counted once, in its state according to the store."""

import dataclasses
from pathlib import Path

import pytest

from report.hand_made import put
from report.hand_made import record as hand_made
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.experiments import cost, load_experiment, runs_of
from scalefree.experiments.cost import Pace, kind, load, work
from scalefree.experiments.coverage import coverage, coverage_together
from scalefree.records import Outcome, Record, Store, run_name


def record(config: RunConfig, status: str, seconds: float) -> Record:
    made = hand_made(config, 0.5 if status == "completed" else None, timing={"wall_seconds": seconds})
    return dataclasses.replace(made, outcome=Outcome("failed", 0, "full")) if status == "failed" else made


def on(made: Record, device: str) -> Record:
    return dataclasses.replace(made, environment={**made.environment, "device": device})


def test_counts_runs_by_state_and_estimates_the_time_left(tmp_path: Path) -> None:
    experiment = load_experiment("corners", "smoke")
    runs = [config for config, _ in runs_of([experiment]).values()]
    shallow = [config for config in runs if config.model.depth == 8]
    deep = [config for config in runs if config.model.depth == 14]
    store = Store(tmp_path)
    put(store, record(shallow[0], "completed", 10.0))
    put(store, record(deep[0], "completed", 30.0))
    put(store, record(deep[1], "diverged", 1.0))
    put(store, record(deep[2], "failed", 1.0))
    partial = store.directory(run_name(shallow[1])) / "checkpoint.pt"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"")
    (found,) = coverage([experiment], store, store.records(), Pace.of_records(store.records()))
    counts = (found.total, found.completed, found.diverged, found.partial, found.failed, found.missing)
    assert counts == (10, 2, 1, 1, 1, 5)
    # Four shallow runs at ten seconds and three deep ones at thirty, including the one that failed.
    assert found.seconds_left == pytest.approx(130)


def test_time_left_is_unknown_without_any_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (found,) = coverage([load_experiment("corners", "smoke")], store, store.records(), Pace())
    assert found.seconds_left is None and found.missing == found.total == 10


SHARED = {"dataset": "cifar10", "dataset.resolution": 16, "model": "resnet", "model.depth": 20, "training.epochs": 4}


@pytest.mark.parametrize(
    "change", [{"dataset.resolution": 8}, {"model.width": 8}, {"training.batch_size": 16}, {"model.batch_norm": False}]
)
def test_the_pace_depends_on_images_model_and_batch_but_not_on_the_optimizer(change: dict[str, object]) -> None:
    of = {"optimizer": "adam_scaled_l2", "optimizer.granularity": "layer", "optimizer.weight_decay": 1e-3}
    trained = run_config({**SHARED, **of})
    first, second = record(trained, "completed", 40.0), record(run_config(SHARED), "completed", 20.0)
    pace = Pace.of_records({"first": first, "second": second})
    assert pace.seconds(load(trained)) == pace.seconds(load(run_config(SHARED))) == pytest.approx(4 * 7.5)
    assert kind(run_config({**SHARED, **change})) != kind(trained)


@pytest.mark.parametrize("here", ["a CPU", "a GPU"])
def test_the_time_left_is_that_of_such_a_device_as_is_here(monkeypatch: pytest.MonkeyPatch, here: str) -> None:
    monkeypatch.setattr(cost, "this_device", lambda: here)
    deep = run_config(SHARED | {"model.depth": 56})
    slow = record(run_config(SHARED), "completed", 1000.0)
    quick = record(run_config(SHARED | {"seed": 1}), "completed", 10.0)
    quicker = record(deep, "completed", 20.0)
    records = {"slow": slow, "quick": on(quick, "NVIDIA H200"), "quicker": on(quicker, "NVIDIA H200")}
    pace = Pace.of_records(records)
    assert pace.device == here
    expected = {"a CPU": (1000.0, 1000.0 * work(deep) / work(run_config(SHARED))), "a GPU": (10.0, 20.0)}[here]
    assert [pace.seconds(load(config)) for config in (run_config(SHARED), deep)] == pytest.approx(expected)


def test_the_time_left_is_that_of_another_device_if_there_is_no_other_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "this_device", lambda: "a CPU")
    pace = Pace.of_records({"quick": on(record(run_config(SHARED), "completed", 10.0), "NVIDIA H200")})
    assert pace.device == "a GPU" and pace.seconds(load(run_config(SHARED))) == pytest.approx(10.0)


def test_a_run_that_two_experiments_need_counts_once(tmp_path: Path) -> None:
    experiment = load_experiment("corners", "smoke")
    again = dataclasses.replace(experiment, name="again")
    (config, _), *_ = runs_of([experiment]).values()
    store = Store(tmp_path)
    put(store, record(config, "completed", 10.0))
    together = coverage_together([experiment, again], store, store.records(), Pace.of_records(store.records()))
    (alone,) = coverage([experiment], store, store.records(), Pace.of_records(store.records()))
    assert dataclasses.replace(together, experiment="corners") == alone and alone.seconds_left is not None
