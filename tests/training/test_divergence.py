"""Divergence is a result, recorded at the step whose loss was not finite and never trained again."""

import json
import math
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conftest import Make
from scalefree.models import resnet
from scalefree.records import Store
from scalefree.training import Interrupted, run, trainer
from scalefree.training.task import Task
from training.reference import train_by_the_book

STEPS_PER_EPOCH = 7


def poison(monkeypatch: pytest.MonkeyPatch, *, step: int = 0, evaluated: int = 0, value: float = math.nan) -> None:
    """Makes networks whose logits are `value` in one training step, or whenever a split of this size is evaluated."""

    def poisoned(*arguments: Any, **named: Any) -> nn.Module:
        model = resnet(*arguments, **named)
        taken = 0

        def spoil(module: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
            nonlocal taken
            taken += module.training
            hit = taken == step if module.training else len(logits) == evaluated
            return logits * value if hit else logits

        model.register_forward_hook(spoil)
        return model

    monkeypatch.setattr("scalefree.training.task.resnet", poisoned)


@pytest.mark.parametrize("runner", ["plain", "fast"])
@pytest.mark.parametrize("step", [1, 4, 7, 8, 14])
def test_a_non_finite_loss_is_recorded_at_its_step(
    step: int, runner: str, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, step=step)
    config = tiny({"runner": runner})
    record, trained = run(config)
    assert trained and (record.outcome.status, record.outcome.step) == ("diverged", step)
    assert "nan" in record.outcome.reason
    assert record.final_metrics["final_test_error"] is None and record.test_error == 2.0
    assert all(value is None for value in record.final_metrics.values())
    store = Store(config.results_dir)
    curves = store.curves(record)
    whole_epochs = (step - 1) // STEPS_PER_EPOCH
    assert all(len(curve) == whole_epochs for curve in curves.values())
    assert store.histograms(record)["epoch"].tolist() == [1, 2][:whole_epochs]
    assert not (store.directory(record.name) / "checkpoint.pt").exists()
    monkeypatch.undo()
    again, trained = run(config)
    assert not trained and again == record


@pytest.mark.parametrize("interrupted", [False, True])
def test_an_infinite_loss_is_counted_once_even_if_the_evaluation_after_it_is_repeated(
    interrupted: bool, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny()
    steps = trainer.steps

    def infinite_in_step_3(task: Task, epoch: int, after: int) -> Iterator[Tensor]:
        for step, loss in enumerate(steps(task, epoch, after), after + 1):
            yield loss * math.inf if (epoch, step) == (0, 3) else loss

    def stopped(task: Task, epoch: int, pause: Callable[[], None]) -> dict[str, float]:
        signal.raise_signal(signal.SIGTERM)
        pause()
        raise AssertionError("not interrupted")

    monkeypatch.setattr(trainer, "steps", infinite_in_step_3)
    if interrupted:
        with monkeypatch.context() as patch:
            patch.setattr(trainer, "evaluate_all", stopped)
            with pytest.raises(Interrupted):
                run(config)
    outcome = run(config).record.outcome
    assert (outcome.status, outcome.reason) == ("completed", "the training loss was inf at step 3")


def test_a_run_diverges_at_the_same_step_as_the_reference(tiny: Make) -> None:
    """With Adam-l2 steps of 1e12 the logits overflow within a few steps."""
    config = tiny({"optimizer": "adaml2", "optimizer.lr": 1e12})
    losses = train_by_the_book(config).losses
    first = next(step for step, loss in enumerate(losses, 1) if not math.isfinite(loss))
    assert 1 < first <= STEPS_PER_EPOCH
    record, _ = run(config)
    assert (record.outcome.status, record.outcome.step) == ("diverged", first)


def test_a_nan_in_the_final_training_loss_is_divergence_too(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the authors' code."""
    poison(monkeypatch, evaluated=200)
    record, _ = run(tiny())
    assert (record.outcome.status, record.outcome.step) == ("diverged", 2 * STEPS_PER_EPOCH)
    assert "final training loss" in record.outcome.reason


def test_a_temporarily_infinite_loss_does_not_end_a_run(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is finite, so the weights recover; the outcome names the step."""
    undisturbed = run(tiny({"results_dir": tiny().results_dir + "-undisturbed"})).record
    taken = 0

    def overflowing(logits: Tensor, labels: Tensor, **named: Any) -> Tensor:
        nonlocal taken
        loss = nn.functional.nll_loss(logits.log_softmax(1), labels, **named)
        taken += "reduction" not in named
        return loss + math.inf if taken == 5 and "reduction" not in named else loss

    monkeypatch.setattr("scalefree.training.step.F.cross_entropy", overflowing)
    config = tiny()
    record, _ = run(config)
    assert (record.outcome.status, record.outcome.step) == ("completed", 14)
    assert record.outcome.reason == "the training loss was inf at step 5"
    assert record.test_error == pytest.approx(undisturbed.test_error, abs=0.01)
    assert math.isinf(Store(config.results_dir).curves(record)["batch_loss"][0])


def test_non_finite_weights_end_a_run_at_once(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """They never become finite again, so the remaining epochs would be wasted time."""
    poison(monkeypatch, step=3)
    record, _ = run(tiny({"training.epochs": 40}))
    assert (record.outcome.status, record.outcome.step) == ("diverged", 3)
    assert record.outcome.reason.startswith("weights are not finite; the training loss was nan at step 3")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_overflow_of_the_test_loss_alone_is_not_divergence(
    value: float, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training is sound, so the run is complete; values that JSON lacks are left out of the record."""
    poison(monkeypatch, evaluated=359, value=value)
    config = tiny()
    record, _ = run(config)
    assert (record.outcome.status, record.outcome.step) == ("completed", 14)
    assert record.final_metrics["final_test_loss"] is None and record.final_metrics["final_test_error"] == 1.0
    assert record.final_metrics["final_train_loss"] is not None
    store = Store(config.results_dir)
    json.loads((store.directory(record.name) / "record.json").read_text(), parse_constant=pytest.fail)
    assert not torch.tensor(store.curves(record)["test_loss"]).isfinite().any()


def test_a_loss_that_overflows_float32_is_divergence_at_the_first_step(tiny: Make) -> None:
    record, _ = run(tiny({"training.loss_multiplier": 3e38}))
    assert (record.outcome.status, record.outcome.step) == ("diverged", 1)
