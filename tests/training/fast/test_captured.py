"""Steps on fixed buffers, called one by one on a CPU and replayed as graphs on CUDA, give the same bits."""

import itertools
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Make
from scalefree.config import RunConfig
from scalefree.training import Interrupted
from scalefree.training.fast import captured
from scalefree.training.fast.captured import CapturedSteps
from scalefree.training.task import Task, build_task, load_data
from scalefree.training.trainer import Trainer, steps
from training.reference import train, trainer_of
from training.test_runners import DEVICES, NETWORKS, OPTIMIZERS, assert_same_bits, trained

VARIANTS: dict[str, dict[str, Any]] = {
    **NETWORKS,
    **OPTIMIZERS,
    "bf16, bn": {"precision": "bf16", "model.batch_norm": True},
    "one batch": {"training.batch_size": 1000, "training.epochs": 203},
    "no short batch": {"training.batch_size": 40, "training.epochs": 29, "dataset.per_class": 28},
}


def task_of(config: RunConfig) -> Task:
    return build_task(config, load_data(config.dataset), torch.device(config.device))


def state(task: Task) -> dict[str, torch.Tensor]:
    """Copies of weights, buffers, gradients, moments and counters."""
    of_optimizer = enumerate(task.optimizer.state.values())
    moments = {f"{key} of {place}": tensor for place, held in of_optimizer for key, tensor in held.items()}
    gradients = {f"gradient of {name}": tensor for name, tensor in task.gradients().items()}
    return {name: tensor.clone() for name, tensor in {**task.model.state_dict(), **gradients, **moments}.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_captured_steps_equal_the_fast_loop(
    variant: str, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained("fast", VARIANTS[variant], tiny, tmp_path)
    monkeypatch.setattr(captured, "captures", lambda config, device: True)
    found = trained("auto", VARIANTS[variant], tiny, tmp_path)
    assert isinstance(found.steps, CapturedSteps) and not isinstance(expected.steps, CapturedSteps)
    assert_same_bits(found, expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("taken", [0, 3])
def test_preparing_captured_steps_changes_nothing(taken: int, device: str, tiny: Make) -> None:
    task = task_of(tiny({"model.batch_norm": True, "device": device}))
    list(itertools.islice(steps(task, 0, 0), taken))
    before, places = state(task), [p.data_ptr() for p in task.model.parameters()]
    random = torch.get_rng_state()
    CapturedSteps(task)
    after = state(task)
    assert before.keys() == {name for name in after if taken or "." in name}
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert taken or not any(value.any() for name, value in after.items() if "." not in name)
    assert torch.equal(torch.get_rng_state(), random)
    assert [p.data_ptr() for p in task.model.parameters()] == places


@pytest.mark.parametrize("device", DEVICES)
def test_interrupted_and_resumed_captured_steps_equal_uninterrupted_ones(
    device: str, tiny: Make, tmp_path: Path, everywhere: None
) -> None:
    config = tiny({"model.batch_norm": True, "schedule": "cosine", "training.epochs": 3, "device": device})
    whole, outcome = train(config, tmp_path / "whole.pt")
    path = tmp_path / "checkpoint.pt"
    part = trainer_of(config, path)
    part.report = lambda epoch, metrics: signal.raise_signal(signal.SIGTERM) if epoch == 1 else None
    with pytest.raises(Interrupted):
        part.train()
    resumed = trainer_of(config, path)
    assert resumed.steps_taken == 8 and isinstance(resumed.steps, CapturedSteps)
    assert resumed.train() == outcome
    assert_same_bits(resumed, whole)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("network", [*NETWORKS, "residual.cu"])
def test_repeated_steps_give_the_same_bits(network: str, device: str, tiny: Make) -> None:
    """As resuming requires: with another graph, elsewhere in memory."""
    config = tiny({**NETWORKS.get(network, {"model.width": 8}), "device": device})
    first, second = task_of(config), task_of(config)
    list(CapturedSteps(first)(0, 0))
    list(CapturedSteps(second)(0, 0))
    expected = state(first)
    assert all(torch.equal(value, expected[name]) for name, value in state(second).items())


@pytest.mark.parametrize("device", DEVICES)
def test_captured_steps_follow_changes_of_step_size_and_decay(device: str, tiny: Make) -> None:
    """The weights stay unchanged while the step size is zero, and move again afterwards."""
    task = task_of(tiny({"device": device}))
    captured = CapturedSteps(task)
    (group,) = task.optimizer.param_groups
    before = state(task)
    lr, decay = group["lr"].clone(), group["weight_decay"].clone()
    group["lr"].zero_()
    list(captured(0, 0))
    assert all(torch.equal(value, before[name]) for name, value in task.model.state_dict().items())
    group["lr"].copy_(lr)
    group["weight_decay"].zero_()
    list(captured(1, 0))
    undecayed = state(task)
    assert not all(torch.equal(undecayed[name], value) for name, value in before.items() if "." in name)
    assert decay > 0


def test_captured_steps_can_start_at_any_step(tiny: Make) -> None:
    config = tiny()
    loop, captured = task_of(config), task_of(config)
    expected = [loss.item() for loss in itertools.islice(steps(loop, 0, 0), 7)]
    first = CapturedSteps(captured)
    found = [loss.item() for loss in itertools.islice(first(0, 0), 3)]
    found += [loss.item() for loss in CapturedSteps(captured)(0, 3)]
    assert found == expected


def test_the_plain_runner_has_no_captured_steps(tiny: Make, tmp_path: Path, everywhere: None) -> None:
    config = tiny({"runner": "plain"})
    assert not isinstance(trainer_of(config, tmp_path / "checkpoint.pt").steps, CapturedSteps)
    assert isinstance(trainer_of(tiny(), tmp_path / "checkpoint.pt"), Trainer)


def test_images_made_in_parts_are_those_of_the_plan(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "AT_ONCE", 7)
    task = task_of(tiny())
    steps = CapturedSteps(task)
    plan = task.batches.plan(3)
    steps._load(plan, 5)
    images, labels = task.batches.augmented(plan, slice(None))
    assert len(labels) > 7 and torch.equal(steps.images, images) and torch.equal(steps.labels, labels)
    assert steps.place == 5
