"""A run that is interrupted at any step and resumed ends as if it had not been interrupted."""

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch

from conftest import Make
from scalefree.config import RunConfig
from scalefree.data import evaluation_batches
from scalefree.records import Record, Store, run_name
from scalefree.training import Interrupted, checkpoint, environment, evaluation, run, trainer
from scalefree.training.checkpoint import Progress
from scalefree.training.trainer import Trainer
from training.disturbed import at_steps
from training.reference import train, trainer_of

STEPS_PER_EPOCH, STEPS = 7, 14


@pytest.fixture(autouse=True)
def unhandled_signals_fail() -> Iterator[None]:
    """Keeps signals that the training does not handle from ending the test process."""

    def fail(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"{signal.Signals(number).name} was not handled")

    previous = {number: signal.signal(number, fail) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in previous.items():
        assert signal.getsignal(number) is fail, "the handler was not restored"
        signal.signal(number, handler)


def assert_same(found: Trainer, expected: Trainer) -> None:
    """Weights, buffers, moments, counters, curves and histograms, bit for bit; times may differ."""
    theirs = expected.task.model.state_dict()
    for name, value in found.task.model.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    ours, state = found.task.optimizer.state_dict(), expected.task.optimizer.state_dict()
    assert ours["param_groups"] == state["param_groups"] and ours["state"].keys() == state["state"].keys()
    for index, moments in state["state"].items():
        for name, value in moments.items():
            assert torch.equal(ours["state"][index][name], value), name
    a, b = found.progress, expected.progress
    assert (a.epoch, a.step, a.histogram_epochs, a.counts) == (b.epoch, b.step, b.histogram_epochs, b.counts)
    assert a.scalars == b.scalars and a.curves.keys() == b.curves.keys()
    for name, curve in a.curves.items():
        assert len(curve) == len(b.curves[name])
        if "seconds" not in name:
            assert repr(curve) == repr(b.curves[name]), name


@pytest.mark.parametrize("runner", ["plain", "fast"])
@pytest.mark.parametrize("stops", [[1], [3], [7], [8], [13], [14], [2, 7, 8]], ids=str)
def test_an_interrupted_and_resumed_training_equals_an_uninterrupted_one(
    stops: list[int], runner: str, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first and last steps of both epochs, at steps between, and three times in one run."""
    values = {"model.batch_norm": True, "schedule": "cosine", "dataset.validation_fraction": 0.1}
    config = tiny({**values, "runner": runner, "training.batch_size": 28})
    expected, outcome = train(config, tmp_path / "uninterrupted.pt")
    assert outcome.step == STEPS and len(expected.task.dataset.train) == 180
    at_steps(monkeypatch, dict.fromkeys(stops, signal.SIGTERM))
    for stop in stops:
        with pytest.raises(Interrupted, match="SIGTERM"):
            train(config, tmp_path / "checkpoint.pt")
        saved = trainer_of(config, tmp_path / "checkpoint.pt")
        assert saved.steps_taken == stop
    resumed, again = train(config, tmp_path / "checkpoint.pt")
    assert again == outcome
    assert_same(resumed, expected)


@pytest.mark.parametrize("runner", ["plain", "fast"])
@pytest.mark.parametrize("batch", [1, 2, 3, 5], ids=lambda batch: f"evaluation batch {batch}")
def test_a_run_interrupted_in_an_evaluation_repeats_it(
    batch: int, runner: str, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two batches are of the training set and three of the test set; update scales stay those of the last step."""
    config = tiny({"model.batch_norm": True, "runner": runner})
    expected, _ = train(config, tmp_path / "uninterrupted.pt")
    monkeypatch.setitem(evaluation.PIXELS, "cpu", 150 * 8 * 8)
    interrupt = itertools.count(1)

    def batches(*arguments: Any) -> Iterator[Any]:
        for batch_of_images in evaluation_batches(*arguments):
            if next(interrupt) == batch:
                signal.raise_signal(signal.SIGTERM)
            yield batch_of_images

    monkeypatch.setattr(evaluation, "evaluation_batches", batches)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "checkpoint.pt")
    saved = trainer_of(config, tmp_path / "checkpoint.pt")
    assert (saved.progress.epoch, saved.progress.step) == (0, STEPS_PER_EPOCH) and saved.progress.curves == {}
    monkeypatch.undo()
    resumed, _ = train(config, tmp_path / "checkpoint.pt")
    assert_same(resumed, expected)


def test_a_run_killed_between_checkpoints_resumes_from_the_last(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are checkpoints after every step until the process ends without notice in the third."""
    config = tiny({"model.batch_norm": True})
    expected, _ = train(config, tmp_path / "uninterrupted.pt")
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    at_steps(monkeypatch, {3: KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "checkpoint.pt")
    assert trainer_of(config, tmp_path / "checkpoint.pt").steps_taken == 2
    resumed, _ = train(config, tmp_path / "checkpoint.pt")
    assert_same(resumed, expected)


def test_no_checkpoint_is_written_before_it_is_due(tiny: Make, tmp_path: Path) -> None:
    train(tiny(), tmp_path / "checkpoint.pt")
    assert not (tmp_path / "checkpoint.pt").exists()


def result(config: RunConfig) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Everything in a run's record that must not differ between two trainings."""
    record = run(config).record
    store = Store(config.results_dir)
    curves = {k: v.tobytes() for k, v in store.curves(record).items() if "seconds" not in k}
    histograms = {k: v.tobytes() for k, v in store.histograms(record).items()}
    return {**record.document(), "timing": None}, curves, histograms


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_run_leaves_only_a_checkpoint_and_can_be_resumed(
    number: signal.Signals,
    tiny: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = result(tiny({"results_dir": str(tmp_path / "uninterrupted")}))
    config = tiny()
    at_steps(monkeypatch, {9: number})
    with pytest.raises(Interrupted, match=number.name):
        run(config)
    store = Store(config.results_dir)
    directory = store.directory(expected[0]["name"])
    assert {path.name for path in directory.iterdir()} == {"checkpoint.pt", "run.log"}
    assert store.records() == {} and list((store.root / "locks").iterdir()) == []
    (directory / ".checkpoint.pt.x.tmp").write_bytes(b"left by a process that was killed while writing")
    with caplog.at_level("INFO"):
        assert result(config) == expected
    assert "resumes after step 9" in caplog.text
    assert {path.name for path in directory.iterdir()} == {"record.json", "curves.npz", "histograms.npz", "run.log"}


def test_a_second_signal_goes_to_the_previous_handler(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("scalefree.training.checkpoint.save", twice)
    at_steps(monkeypatch, {2: signal.SIGTERM})
    with pytest.raises(AssertionError, match="SIGTERM was not handled"):
        run(tiny())


def test_a_second_sighup_does_not_interrupt_the_save(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closing terminal sends one, and its shell another."""
    save = checkpoint.save

    def disturbed(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGHUP)
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save", disturbed)
    at_steps(monkeypatch, {2: signal.SIGHUP})
    config = tiny()
    with pytest.raises(Interrupted, match="SIGHUP"):
        run(config)
    assert (Store(config.results_dir).directory(run_name(config)) / "checkpoint.pt").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_an_ignored_signal_stays_ignored(number: signal.Signals, tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep's workers ignore SIGINT, which a terminal sends to all; under nohup SIGHUP is ignored."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        at_steps(monkeypatch, {2: number})
        assert run(tiny()).record.outcome.status == "completed"
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_seconds_of_an_interrupted_epoch_add_up(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_steps(monkeypatch, {5: signal.SIGTERM})
    with pytest.raises(Interrupted):
        train(tiny(), tmp_path / "checkpoint.pt")
    saved: Progress = trainer_of(tiny(), tmp_path / "checkpoint.pt").progress
    assert saved.step == 5 and saved.training_seconds > 0
    saved_seconds = saved.training_seconds
    resumed, _ = train(tiny(), tmp_path / "checkpoint.pt")
    assert resumed.progress.curves["training_seconds"][0] > saved_seconds
    assert np.isfinite(resumed.progress.curves["training_seconds"]).all()


def sessions_of(monkeypatch: pytest.MonkeyPatch, config: RunConfig, changes: list[dict[str, Any]]) -> Record:
    """Trains a run that is interrupted every two steps, each session with these changes to the environment."""
    original = environment.versions()
    at_steps(monkeypatch, dict.fromkeys(range(2, 2 * len(changes), 2), signal.SIGTERM))
    for number, change in enumerate(changes, 1):
        monkeypatch.setattr(environment, "versions", lambda change=change: {**original, **change})
        if number < len(changes):
            with pytest.raises(Interrupted):
                run(config)
    return run(config).record


A, B = {"commit": "a" * 40}, {"commit": "b" * 40}
TORCH = {"packages": {"torch": "2.11.0"}}


@pytest.mark.parametrize(
    ("changes", "earlier"),
    [
        ([A, A, A], []),
        ([A, {**A, "cpu_count": 7}], []),
        ([A, B], [A]),
        ([A, B, B], [A]),
        ([A, B, A], [A, B]),
        ([A, TORCH], [A]),
    ],
    ids=["one", "one, more cores", "two", "the second twice", "back to the first", "packages"],
)
def test_a_record_lists_all_builds_that_trained_it(
    changes: list[dict[str, Any]], earlier: list[dict[str, Any]], tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = sessions_of(monkeypatch, tiny(), changes)
    found = record.environment["earlier_sessions"]
    assert [{key: session[key] for key in change} for session, change in zip(found, earlier, strict=True)] == earlier
    assert all(session["device"] == record.environment["device"] for session in found)
    assert {key: record.environment[key] for key in changes[-1]} == changes[-1]


def test_different_convolutions_count_as_another_build(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a C compiler."""
    config = tiny({"model.width": 8})
    at_steps(monkeypatch, {3: signal.SIGTERM})
    monkeypatch.setattr("scalefree.training.fast.speedups.use_native_convolutions", lambda model: False)
    with pytest.raises(Interrupted):
        run(config)
    monkeypatch.undo()
    record = run(config).record
    (first,) = record.environment["earlier_sessions"]
    assert (first["convolutions"], record.environment["convolutions"]) == ("torch", "torch and conv3x3.c")
