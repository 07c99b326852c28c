"""The fast runner's single buffer computes the plain runner's numbers, bit for bit, on the CPU."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from conftest import Make
from scalefree.training.flat import FlatParameters
from scalefree.training.trainer import Trainer
from training.reference import train

VARIANTS: dict[str, dict[str, Any]] = {
    "batch norm": {"model.batch_norm": True},
    "adam-l2": {"optimizer": "adaml2", "schedule": "cosine"},
    "metric prox, eps 0": {"optimizer": "adam_metric_prox", "optimizer.eps": 0},
}


def moments(trainer: Trainer, name: str) -> torch.Tensor:
    """One of Adam's moments of all coordinates, in the order of the parameters."""
    optimizer = trainer.task.optimizer
    return torch.cat([optimizer.state[p][name].reshape(-1) for p in optimizer.param_groups[0]["params"]])


@pytest.mark.parametrize("variant", VARIANTS)
def test_fast_equals_plain_over_200_steps(variant: str, tiny: Make, tmp_path: Path) -> None:
    values = {"training.epochs": 29, "training.evaluate_every": 10, **VARIANTS[variant]}
    plain, plain_outcome = train(tiny({**values, "runner": "plain"}), tmp_path / "plain.pt")
    fast, fast_outcome = train(tiny({**values, "runner": "fast"}), tmp_path / "fast.pt")
    assert plain_outcome == fast_outcome and plain_outcome.step == 203
    assert plain.task.flat is None and fast.task.flat is not None
    expected, found = plain.task.model.state_dict(), fast.task.model.state_dict()
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(moments(fast, name), moments(plain, name)), name
    assert plain.progress.counts == fast.progress.counts and len(plain.progress.counts["update_scale/network"]) == 6
    assert plain.progress.scalars == fast.progress.scalars
    assert plain.progress.histogram_epochs == fast.progress.histogram_epochs == [1, 2, 5, 10, 20, 29]
    for name, curve in plain.progress.curves.items():
        if "seconds" not in name:
            assert repr(curve) == repr(fast.progress.curves[name]), name


def small_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 3))


def test_parameters_and_gradients_are_views_of_the_vector() -> None:
    model = small_network()
    before = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    flat = FlatParameters(model)
    assert torch.equal(flat.vector, before) and len(before) == 20 + 9
    model(torch.randn(4, 1, 3, 3)).square().sum().backward()
    assert flat.vector.grad is not None
    assert torch.equal(
        flat.vector.grad, torch.cat([p.grad.reshape(-1) for p in model.parameters() if p.grad is not None])
    )
    assert flat.vector.grad.count_nonzero() == 29
    with torch.no_grad():
        flat.vector.add_(1)
    assert torch.equal(torch.cat([p.detach().reshape(-1) for p in model.parameters()]), before + 1)
    flat.zero_grad()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def test_a_vector_is_split_by_name_as_the_parameters_are() -> None:
    model = small_network()
    flat = FlatParameters(model)
    by_name = flat.by_name(torch.arange(29.0))
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert {name: tuple(part.shape) for name, part in by_name.items()} == shapes
    assert by_name["2.weight"].reshape(-1).tolist() == list(range(20, 26))


def test_loading_weights_fills_the_vector(tmp_path: Path) -> None:
    model = small_network()
    flat = FlatParameters(model)
    other = small_network()
    model.load_state_dict(other.state_dict())
    assert torch.equal(flat.vector, torch.cat([p.detach().reshape(-1) for p in other.parameters()]))
