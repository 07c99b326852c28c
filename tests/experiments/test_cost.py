"""The time that runs will take: measured, or estimated from their arithmetic."""

from typing import Any

import pytest
import torch
from torch import nn

from scalefree.compose import run_config
from scalefree.experiments.cost import Pace, _forward, load, work
from scalefree.models import densenet_bc, resnet


def multiplications(model: nn.Module, side: int) -> int:
    """The multiplications of the convolutions in one image's forward pass, counted while it runs."""
    counted = 0

    def count(module: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(module, nn.Conv2d)
        counted += module.weight.numel() * made.shape[-1] * made.shape[-2]

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    model.eval()(torch.zeros(1, 3, side, side))
    return counted


@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_resnets_work_is_that_of_its_convolutions(batch_norm: bool) -> None:
    config = run_config({"dataset": "cifar10", "model.depth": 20, "model.width": 8, "model.batch_norm": batch_norm})
    assert _forward(config) == multiplications(resnet(20, 10, batch_norm=batch_norm, width=8), 32)
    digits = run_config({"model.depth": 8, "model.batch_norm": batch_norm})
    assert _forward(digits) == multiplications(resnet(8, 10, batch_norm=batch_norm), 8)


def test_a_densenets_work_is_that_of_its_convolutions() -> None:
    config = run_config({"dataset": "cifar10", "model": "densenet", "model.depth": 40})
    assert _forward(config) == multiplications(densenet_bc(40, 12, 10), 32)


def of(depth: int, epochs: int = 10, **values: Any) -> Any:
    changed = {key.replace("__", "."): value for key, value in values.items()}
    return run_config({"model.depth": depth, "training.epochs": epochs, **changed})


def test_without_a_measurement_the_time_is_unknown() -> None:
    assert Pace().seconds(load(of(8))) is None


def test_a_run_like_measured_ones_takes_their_median_time_per_epoch() -> None:
    pace = Pace()
    for seconds in (10.0, 30.0, 20.0):
        pace.add(of(8), seconds)
    assert pace.seconds(load(of(8, epochs=5, optimizer="adaml2"))) == pytest.approx(10.0)


def test_the_time_of_other_runs_is_scaled_by_their_work_from_the_nearest() -> None:
    pace = Pace()
    pace.add(of(8), 8.0)
    pace.add(of(56), 100.0)
    assert pace.seconds(load(of(14))) == pytest.approx(8.0 * work(of(14)) / work(of(8)))
    assert pace.seconds(load(of(62))) == pytest.approx(100.0 * work(of(62)) / work(of(56)))


def test_work_grows_with_epochs_images_and_evaluations() -> None:
    assert work(of(8, epochs=20)) == pytest.approx(2 * work(of(8)))
    assert work(of(8, dataset__per_class=20)) < 0.3 * work(of(8))
    assert work(of(8, training__evaluate_every=10)) < 0.75 * work(of(8))
