"""bfloat16 with one cast per step gives the bits of layer-by-layer autocast."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from conftest import Make
from scalefree.training.device import autocast
from scalefree.training.fast.cast_once import CastOnce
from scalefree.training.fast.flat import FlatParameters
from scalefree.training.task import build_model, build_task, load_data
from training.test_runners import NETWORKS

CPU = torch.device("cpu")


def gradients(model: Any, leaves: list[Tensor], inputs: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The loss and every parameter's gradient under autocast."""
    with autocast("bf16", CPU):
        logits = model(inputs)
    loss = F.cross_entropy(logits.float(), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), [leaf.grad for leaf in leaves if leaf.grad is not None]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
def test_losses_and_gradients_have_the_bits_of_autocast(
    network: str, memory_format: torch.memory_format, tiny: Make
) -> None:
    config = tiny({**NETWORKS[network], "precision": "bf16"})
    dataset = load_data(config.dataset)
    model = build_model(config, dataset)
    flat = FlatParameters(model, memory_format)
    other = copy.deepcopy(model)
    once = CastOnce(model, flat)
    inputs = torch.randn(8, *dataset.train.images.shape[1:], generator=torch.Generator().manual_seed(1))
    inputs = inputs.contiguous(memory_format=memory_format)
    for step in range(2):  # once before and once after an update
        labels = torch.arange(8) % 10
        expected, of_layers = gradients(other, list(other.parameters()), inputs, labels)
        loss, of_leaves = gradients(once, flat.leaves, inputs, labels)
        assert torch.equal(loss, expected)
        assert {g.dtype for g in of_leaves} >= {torch.bfloat16} and {g.dtype for g in of_layers} == {torch.float32}
        flat.gather_gradient()
        assert flat.vector.grad is not None
        for (name, gradient), wanted in zip(flat.by_name(flat.vector.grad).items(), of_layers, strict=True):
            assert torch.equal(gradient, wanted), (step, name)
        with torch.no_grad():
            flat.vector.sub_(flat.vector.grad, alpha=0.1)
            for p, wanted in zip(other.parameters(), of_layers, strict=True):
                p.sub_(wanted, alpha=0.1)
        other.zero_grad()


@pytest.mark.parametrize(
    ("precision", "runner", "casts"), [("bf16", "auto", True), ("bf16", "plain", False), ("fp32", "auto", False)]
)
def test_only_fast_bf16_runs_cast_once(precision: str, runner: str, casts: bool, tiny: Make) -> None:
    config = tiny({"precision": precision, "runner": runner})
    task = build_task(config, load_data(config.dataset), CPU)
    assert isinstance(task.forward, CastOnce) is casts
