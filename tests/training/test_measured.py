"""What the histograms measure is what the last step moved."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import Make
from scalefree.training.trainer import Trainer
from training.reference import trainer_of


def in_double(trainer: Trainer) -> Trainer:
    """So that a difference of two iterates is known to many digits."""
    model = trainer.task.model.double()
    model.register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    return trainer


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_update_scale_is_the_last_steps_movement_over_alpha(batch_norm: bool, tiny: Make, tmp_path: Path) -> None:
    """For AdamW without decay: |x_before - x_after| / alpha, binned here by NumPy."""
    values = {
        "optimizer.weight_decay": 0,
        "optimizer.lr": 2e-3,
        "model.batch_norm": batch_norm,
        "runner": "plain",
    }
    trainer = in_double(trainer_of(tiny(values), tmp_path / "checkpoint.pt"))
    names = [name for name, _ in trainer.task.model.named_parameters()]
    before: dict[str, torch.Tensor] = {}

    def remember(*_: object) -> None:
        before.update({name: p.detach().clone() for name, p in trainer.task.model.named_parameters()})

    trainer.task.optimizer.register_step_pre_hook(remember)
    trainer.train()
    after = dict(trainer.task.model.named_parameters())
    moved = {name: ((before[name] - after[name]).abs() / 2e-3).detach() for name in names}
    for name, direction in trainer.task.directions().items():
        torch.testing.assert_close(direction.abs(), moved[name], rtol=1e-9, atol=1e-12)

    progress = trainer.progress
    assert progress.histogram_epochs == [1, 2]
    everything = torch.cat([value.reshape(-1) for value in moved.values()]).numpy()
    edges = np.concatenate([[-1.0, 1e-8], np.exp2(np.arange(-26.0, 5.0)), [np.inf]])
    expected = np.histogram(everything, edges)[0]
    assert progress.counts["update_scale/network"][-1] == [*expected, 0]
    moving = np.log2(everything[everything > 1e-8])
    scalars = progress.update_scale["network"]
    assert scalars["share_underflow"] == pytest.approx((everything <= 1e-8).mean())
    assert scalars["q50"] == pytest.approx(np.quantile(moving, 0.5), rel=1e-5)
    assert scalars["std"] == pytest.approx(moving.std(), rel=1e-5)


def test_groups_are_the_networks_parts_and_sum_to_it(tiny: Make, tmp_path: Path) -> None:
    trainer = trainer_of(tiny({"model.batch_norm": True}), tmp_path / "checkpoint.pt")
    trainer.train()
    for quantity in ("update_scale", "gradient", "parameter"):
        prefix = f"{quantity}/"
        counts = {
            key.removeprefix(prefix): np.array(rows[-1])
            for key, rows in trainer.progress.counts.items()
            if key.startswith(prefix)
        }
        network = counts.pop("network")
        assert set(counts) == {"stem", "stage1", "stage2", "stage3", "head", "batch_norm"}
        np.testing.assert_array_equal(sum(counts.values()), network)
        assert network.sum() == sum(p.numel() for p in trainer.task.model.parameters())


@pytest.mark.parametrize("runner", ["plain", "fast"])
def test_gradients_are_those_of_the_last_step_and_parameters_those_after_it(
    runner: str, tiny: Make, tmp_path: Path
) -> None:
    """The last step's gradient from its first moment: g = (m_after - beta1 m_before) / (1 - beta1)."""
    trainer = trainer_of(tiny({"runner": runner, "training.epochs": 1}), tmp_path / "checkpoint.pt")
    optimizer = trainer.task.optimizer
    before: list[torch.Tensor] = []

    def moments() -> list[torch.Tensor]:
        return [
            optimizer.state[p]["exp_avg"].detach().double().reshape(-1) for p in optimizer.param_groups[0]["params"]
        ]

    def remember(*_: object) -> None:
        before[:] = [moment.clone() for moment in moments()] if optimizer.state else []

    optimizer.register_step_pre_hook(remember)
    trainer.train()
    expected = torch.cat([(m - 0.9 * b) / 0.1 for m, b in zip(moments(), before, strict=True)]).abs().numpy()
    weights = torch.cat([p.detach().reshape(-1) for p in trainer.task.model.parameters()]).abs().double().numpy()
    for quantity, values in (("gradient", expected), ("parameter", weights)):
        scalars = trainer.progress.scalars[f"{quantity}/network"][-1]
        logs = np.log2(values[values > 1e-8])
        assert scalars["q50"] == pytest.approx(np.quantile(logs, 0.5), abs=1e-3), quantity
        assert scalars["q95"] == pytest.approx(np.quantile(logs, 0.95), abs=1e-3), quantity


def test_measured_at_the_chosen_epochs_and_always_at_the_last(tiny: Make, tmp_path: Path) -> None:
    def measured(epochs: list[int]) -> list[int]:
        config = tiny({"training.epochs": 3, "training.evaluate_every": 3, "training.histogram_epochs": epochs})
        trainer = trainer_of(config, tmp_path / "checkpoint.pt")
        trainer.train()
        return trainer.progress.histogram_epochs

    assert measured([]) == [3]
    assert measured([2, 3, 50]) == [2, 3]
