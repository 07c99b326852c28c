"""With the same seed every optimizer starts from the same weights and sees the same batches; seeds differ."""

import dataclasses

import pytest
import torch

from conftest import Make
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.optim import RULES
from scalefree.seeds import generator
from scalefree.training.environment import environment
from scalefree.training.fast.speedups import Speedups, memory_format
from scalefree.training.task import build_model, build_task, load_data

CPU = torch.device("cpu")


def weights(config: RunConfig) -> torch.Tensor:
    task = build_task(config, load_data(config.dataset), CPU)
    return torch.cat([p.detach().reshape(-1) for p in task.model.parameters()])


def first_epochs(config: RunConfig, epoch: int = 0) -> torch.Tensor:
    task = build_task(config, load_data(config.dataset), CPU)
    return torch.cat([inputs for inputs, _ in task.batches.epoch(epoch)])


def test_all_optimizers_start_from_the_same_weights_and_batches(tiny: Make) -> None:
    torch.manual_seed(1)
    expected, batches = weights(tiny()), first_epochs(tiny())
    for name in RULES:
        torch.manual_seed(2)  # the global stream has no influence
        config = tiny({"optimizer": name, "optimizer.lr": 0.1, "precision": "bf16"})
        assert torch.equal(weights(config), expected) and torch.equal(first_epochs(config), batches)


def test_seeds_differ_in_weights_order_and_augmentation(tiny: Make) -> None:
    one, other = tiny({"seed": 0}), tiny({"seed": 1})
    assert not torch.equal(weights(one), weights(other))
    assert not torch.equal(first_epochs(one), first_epochs(other))
    assert not torch.equal(first_epochs(one, 0), first_epochs(one, 1))
    plans = [build_task(config, load_data(config.dataset), CPU).batches.plan(0) for config in (one, other)]
    for name in ("order", "top", "left"):
        assert not torch.equal(getattr(plans[0], name), getattr(plans[1], name))


def test_batch_norm_does_not_change_the_other_weights(tiny: Make) -> None:
    without, with_bn = tiny(), tiny({"model.batch_norm": True})
    dataset = load_data(without.dataset)
    expected = dict(build_model(without, dataset).named_parameters())
    found = dict(build_model(with_bn, dataset).named_parameters())
    assert expected.keys() < found.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("name", RULES)
def test_the_optimizer_is_built_as_configured(name: str, tiny: Make) -> None:
    values = {
        "optimizer.lr": 5e-3,
        "optimizer.weight_decay": 0.02,
        "optimizer.eps": 0,
        "optimizer.betas": [0.8, 0.99],
    }
    config = tiny({"optimizer": name, **values})
    task = build_task(config, load_data(config.dataset), CPU)
    assert type(task.optimizer) is RULES[name]
    (group,) = task.optimizer.param_groups
    assert (group["lr"], group["initial_lr"], group["weight_decay"], group["eps"]) == (5e-3, 5e-3, 0.02, 0.0)
    assert tuple(group["betas"]) == (0.8, 0.99)


def test_network_and_data_are_built_as_configured() -> None:
    dense = run_config({"model": "densenet", "model.depth": 10, "model.growth_rate": 4, "dataset.per_class": 5})
    task = build_task(dense, load_data(dense.dataset), CPU)
    assert type(task.model).__name__ == "DenseNet" and len(task.dataset.train) == 50
    assert task.model.get_parameter("conv.weight").shape == (8, 1, 3, 3)
    assert {name for names in task.groups.values() for name in names} == {
        name for name, _ in task.model.named_parameters()
    }


def test_random_streams_are_independent_of_each_other_and_the_global_one() -> None:
    def drawn(*key: object) -> list[float]:
        return torch.rand(4, generator=generator(*key)).tolist()  # type: ignore[arg-type]

    draws = [drawn(seed, purpose, epoch) for seed in (0, 1) for purpose in ("order", "crop") for epoch in (0, 1)]
    assert len({tuple(draw) for draw in draws}) == 8
    assert drawn(1, "order", 1) == draws[5] and drawn(0, "order") == draws[0]
    # The initial weights and the order of every recorded run depend on these literals.
    assert drawn(0, "initialization") == pytest.approx([0.37524754, 0.98380327, 0.32028478, 0.91530889], abs=1e-7)


@pytest.mark.parametrize(
    ("device", "values", "expected"),
    [
        ("cuda", {}, torch.contiguous_format),
        ("cuda", {"model.batch_norm": True}, torch.channels_last),
        ("cuda", {"precision": "bf16"}, torch.channels_last),
        ("cpu", {}, torch.channels_last),
    ],
)
def test_the_memory_format_suits_the_kernels(
    device: str, values: dict[str, object], expected: torch.memory_format, tiny: Make
) -> None:
    assert memory_format(tiny(values), torch.device(device)) == expected


def test_images_and_weights_have_the_same_memory_format(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for chosen in (torch.contiguous_format, torch.channels_last):
        monkeypatch.setattr(
            "scalefree.training.fast.speedups.memory_format", lambda config, device, chosen=chosen: chosen
        )
        config = tiny()
        task = build_task(config, load_data(config.dataset), CPU)
        weight = next(p for p in task.model.parameters() if p.dim() == 4 and p.shape[1] > 1)
        assert task.batches.normalization.memory_format == chosen and weight.is_contiguous(memory_format=chosen)


@pytest.mark.parametrize(("runner", "said"), [("plain", "plain"), ("fast", "fast"), ("auto", "fast")])
def test_the_record_names_the_loop_that_was_used(runner: str, said: str, tiny: Make) -> None:
    config = tiny({"runner": runner})
    task = build_task(config, load_data(config.dataset), CPU)
    assert environment(task)["runner"] == said
    assert environment(dataclasses.replace(task, fast=Speedups()))["runner"] == "plain"
