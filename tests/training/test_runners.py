"""Every faster way to train ends where the plain loop does, within a stated tolerance, over 203 steps.

The short last batch, BatchNorm's buffers and the evaluations are part of what is compared.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conftest import Make
from scalefree.training.task import build_model
from scalefree.training.trainer import Trainer
from training.reference import train

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {},
    "resnet, bn": {"model.batch_norm": True},
    "fixup": {"model.initialization": "fixup"},
    "densenet": {"model": "densenet", "model.depth": 10, "model.growth_rate": 4},
    "densenet, bn": {"model": "densenet", "model.depth": 10, "model.growth_rate": 4, "model.batch_norm": True},
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adaml2, cosine": {"optimizer": "adaml2", "schedule": "cosine"},
    "adamprox": {"optimizer": "adamprox"},
    "metric prox, eps 0": {"optimizer": "adam_metric_prox", "optimizer.eps": 0},
}


def trained(runner: str, values: dict[str, Any], tiny: Make, folder: Path) -> Trainer:
    """203 steps at a small step size: rounding errors are not multiplied as in a wild training."""
    steady = {"training.epochs": 29, "training.evaluate_every": 10, "optimizer.lr": 1e-3}
    without_width = {"model.width": 4} if values.get("model") != "densenet" else {}
    config = tiny({**steady, **without_width, **values, "runner": runner})
    trainer, outcome = train(config, folder / f"{runner}.pt")
    assert outcome.step == 203
    return trainer


def weights(trainer: Trainer) -> Tensor:
    """All parameters and buffers, in one vector."""
    return torch.cat([value.double().reshape(-1) for value in trainer.task.model.state_dict().values()])


def distance(found: Trainer, expected: Trainer) -> float:
    """How far apart two trainings end, in units of the way that they went."""
    config = expected.task.config
    start = build_model(config, expected.task.dataset).state_dict().values()
    way = weights(expected) - torch.cat([value.double().reshape(-1) for value in start])
    return ((weights(found) - weights(expected)).norm() / way.norm()).item()
