"""At lambda = 0 all optimizers that are Adam share one run, since each gives the same run bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import TINY
from scalefree.compose import run_config
from scalefree.config import GRANULARITIES, RunConfig
from scalefree.experiments.grid import cell_of
from scalefree.optimizers import ADAM, OPTIMIZERS
from scalefree.records import run_name
from training.reference import train

VALUES: dict[str, list[Any]] = {"granularity": list(GRANULARITIES), "decay_unbalance": [0.0, 1.5]}
# Every optimizer that is Adam without decay, with each of its options.
CHOICES: list[dict[str, Any]] = []
for row in OPTIMIZERS.values():
    if row.without_decay == ADAM:
        options = [(f"optimizer.{key}", value) for key in row.options for value in VALUES[key]]
        CHOICES += [{"optimizer": row.key, key: value} for key, value in options] or [{"optimizer": row.key}]

_TRAINED: dict[str, tuple[list[torch.Tensor], dict[str, list[float]], dict[str, Any]]] = {}


def trained(config: RunConfig, folder: Path) -> tuple[list[torch.Tensor], dict[str, list[float]], dict[str, Any]]:
    """Weights, curves without times, and measurements."""
    key = f"{run_name(config)} {config.runner}"
    if key not in _TRAINED:
        trainer, _ = train(config, folder / "checkpoint.pt")
        curves = {name: curve for name, curve in trainer.progress.curves.items() if "seconds" not in name}
        measured = {"counts": trainer.progress.counts, "scalars": trainer.progress.scalars}
        _TRAINED[key] = [p.detach().clone() for p in trainer.task.model.parameters()], curves, measured
    return _TRAINED[key]


def test_all_of_our_optimizers_are_adam_without_decay() -> None:
    rows = {choice["optimizer"] for choice in CHOICES}
    assert rows == {"adaml2", "adamw", "adamprox", "adam_metric_prox", "adam_scaled_l2"} and len(CHOICES) == 8


@pytest.mark.parametrize("eps", [1e-8, 0.0])
@pytest.mark.parametrize("runner", ["plain", "fast"])
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: " ".join(map(str, choice.values())))
def test_a_cell_without_decay_equals_the_run_that_it_shares(
    choice: dict[str, Any], runner: str, eps: float, tmp_path: Path
) -> None:
    values = {"optimizer.weight_decay": 0, "optimizer.eps": eps, "runner": runner, "optimizer.lr": 5e-3}
    cell = cell_of(run_config({**TINY, **choice, **values}))
    assert cell.run == run_config({**TINY, "optimizer": "adamw", **values})
    weights, curves, measured = trained(cell.config, tmp_path)
    expected, their_curves, their_measured = trained(cell.run, tmp_path)
    assert all(torch.equal(p, q) for p, q in zip(weights, expected, strict=True))
    assert repr(curves) == repr(their_curves) and measured == their_measured


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: " ".join(map(str, choice.values())))
def test_a_cell_with_decay_has_its_own_run(choice: dict[str, Any]) -> None:
    cell = cell_of(run_config({**TINY, **choice}))
    assert cell.run == cell.config


def test_torch_optimizers_share_no_run() -> None:
    values = {"optimizer": "torch", "optimizer.target": "torch.optim.Adam", "optimizer.weight_decay": 0}
    cell = cell_of(run_config({**TINY, **values}))
    assert cell.run == cell.config
