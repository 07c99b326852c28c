"""Every faster way to train ends where the plain loop does after 203 steps, within a stated tolerance.

The comparison includes the short last batch, BatchNorm's buffers and the evaluations.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import Make
from scalefree.training.fast.captured import CapturedSteps
from scalefree.training.fast.speedups import Speedups
from scalefree.training.task import build_model
from scalefree.training.trainer import Trainer
from training.reference import train

DENSE = {"model": "densenet", "model.depth": 10, "model.growth_rate": 4}
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {},
    "resnet, bn": {"model.batch_norm": True},
    "fixup": {"model.initialization": "fixup"},
    "densenet": DENSE,
    "densenet, bn": {**DENSE, "model.batch_norm": True},
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adaml2, cosine": {"optimizer": "adaml2", "schedule": "cosine"},
    "adamprox": {"optimizer": "adamprox"},
    "metric prox, eps 0": {"optimizer": "adam_metric_prox", "optimizer.eps": 0},
}


# The largest distance from the plain loop, and the largest relative difference of an epoch's mean loss.
TOLERANCES = {"fp32": (2e-3, 1e-4), "bf16": (0.2, 5e-3)}

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=on_cuda)]


def trained(runner: str, values: dict[str, Any], tiny: Make, folder: Path) -> Trainer:
    """Takes 203 steps at a small step size, so that rounding errors are not amplified."""
    steady = {"training.epochs": 29, "training.evaluate_every": 10, "optimizer.lr": 1e-4}
    config = tiny({**steady, **values, "runner": runner})
    trainer, outcome = train(config, folder / f"{runner}.pt")
    assert (outcome.status, outcome.step) == ("completed", 203)
    return trainer


def weights(trainer: Trainer) -> Tensor:
    """All parameters and BatchNorm statistics, in one vector."""
    state = trainer.task.model.state_dict().values()
    return torch.cat([value.double().reshape(-1) for value in state if value.is_floating_point()]).cpu()


def distance(found: Trainer, expected: Trainer) -> float:
    """The distance between the ends of two trainings, relative to the distance travelled."""
    start = build_model(expected.task.config, expected.task.dataset).state_dict().values()
    beginning = torch.cat([value.double().reshape(-1) for value in start if value.is_floating_point()])
    return ((weights(found) - weights(expected)).norm() / (weights(expected) - beginning).norm()).item()


def assert_same_bits(found: Trainer, expected: Trainer) -> None:
    """Compares weights, buffers, moments, step counters, curves and histograms; times may differ."""
    theirs = expected.task.model.state_dict()
    for name, value in found.task.model.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    ours, state = found.task.optimizer.state_dict()["state"], expected.task.optimizer.state_dict()["state"]
    assert ours.keys() == state.keys()
    for index, moments in state.items():
        for name, value in moments.items():
            assert torch.equal(ours[index][name], value), name
    assert found.progress.counts == expected.progress.counts
    for name, curve in expected.progress.curves.items():
        assert "seconds" in name or repr(found.progress.curves[name]) == repr(curve), name


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("network", NETWORKS)
def test_fast_equals_plain(network: str, precision: str, device: str, tiny: Make, tmp_path: Path) -> None:
    values = {**NETWORKS[network], "precision": precision, "device": device}
    plain, fast = (trained(runner, values, tiny, tmp_path) for runner in ("plain", "fast"))
    assert plain.task.fast == Speedups() and fast.task.fast.flat is not None
    assert isinstance(fast.steps, CapturedSteps) == (device == "cuda")
    apart, losses = TOLERANCES[precision]
    assert distance(fast, plain) < apart
    assert fast.progress.curves["batch_loss"] == pytest.approx(plain.progress.curves["batch_loss"], rel=losses)
    assert fast.progress.curves["test_loss"] == pytest.approx(
        plain.progress.curves["test_loss"], rel=10 * losses, nan_ok=True
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_fast_equals_plain_for_every_rule(rule: str, device: str, tiny: Make, tmp_path: Path) -> None:
    values = {**OPTIMIZERS[rule], "device": device}
    plain, fast = (trained(runner, values, tiny, tmp_path) for runner in ("plain", "fast"))
    assert distance(fast, plain) < TOLERANCES["fp32"][0]
    assert fast.progress.curves["batch_loss"] == pytest.approx(plain.progress.curves["batch_loss"], rel=1e-4)


@on_cuda
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_other_precisions_are_close_to_fp32_on_cuda(precision: str, tiny: Make, tmp_path: Path) -> None:
    exact = trained("fast", {"device": "cuda"}, tiny, tmp_path)
    (tmp_path / "fast.pt").unlink(missing_ok=True)
    rough = trained("fast", {"device": "cuda", "precision": precision}, tiny, tmp_path)
    assert rough.progress.curves["batch_loss"] != exact.progress.curves["batch_loss"]
    assert rough.progress.curves["batch_loss"] == pytest.approx(exact.progress.curves["batch_loss"], rel=0.02)


@on_cuda
@pytest.mark.parametrize("network", ["resnet, bn", "densenet"])
def test_compiled_equals_plain(network: str, tiny: Make, tmp_path: Path) -> None:
    values = {**NETWORKS[network], "device": "cuda"}
    plain, compiled = (trained(runner, values, tiny, tmp_path) for runner in ("plain", "compiled"))
    assert distance(compiled, plain) < 1e-2
    assert compiled.progress.curves["batch_loss"] == pytest.approx(plain.progress.curves["batch_loss"], rel=1e-3)
