"""The histograms measure what the last step did."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import Make
from scalefree.training.layers import layer_factors
from scalefree.training.measured import effective_decays
from scalefree.training.trainer import Trainer
from training.reference import trainer_of


def in_double(trainer: Trainer) -> Trainer:
    """Converts the model to float64, so that differences of iterates are precise."""
    model = trainer.task.model.double()
    model.register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    return trainer


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_update_scale_is_the_one_of_the_paper(batch_norm: bool, schedule: str, tiny: Make, tmp_path: Path) -> None:
    """For AdamW without decay: |x_before - x_after| / alpha in the first step of the last epoch, including eta, binned
    here with NumPy as by the authors: clipped at 1e-8, so that everything up to 2^-26 is in the lowest bin."""
    values = {
        "optimizer.weight_decay": 0,
        "optimizer.lr": 2e-3,
        "model.batch_norm": batch_norm,
        "runner": "plain",
        "schedule": schedule,
    }
    trainer = in_double(trainer_of(tiny(values), tmp_path / "checkpoint.pt"))
    model, taken = trainer.task.model, 0
    at: dict[int, torch.Tensor] = {}

    def remember(*_: object) -> None:
        nonlocal taken
        at[taken] = torch.cat([p.detach().reshape(-1).clone() for p in model.parameters()])
        taken += 1

    trainer.task.optimizer.register_step_pre_hook(remember)
    trainer.train()
    # Seven steps per epoch: the first of the second epoch is the eighth.
    moved = ((at[8] - at[7]).abs() / 2e-3).numpy()
    progress = trainer.progress
    assert (progress.histogram_epochs, progress.histogram_steps) == ([1, 2], [1, 8])
    edges = np.concatenate([[-1.0, 1e-8], np.exp2(np.arange(-26.0, 5.0)), [np.inf]])
    expected = np.histogram(moved, edges)[0]
    found = progress.counts["update_scale/network"][-1]
    assert found == [*expected, 0]
    papers = np.bincount((np.floor(np.log2(np.maximum(moved, 1e-8))) + 27).astype(int), minlength=31)
    assert [found[0] + found[1], *found[2:32]] == papers.tolist()
    moving = np.log2(moved[moved > 1e-8])
    scalars = progress.last_scalars("update_scale")["network"]
    assert scalars["share_underflow"] == pytest.approx((moved <= 1e-8).mean())
    assert scalars["q50"] == pytest.approx(np.quantile(moving, 0.5), rel=1e-5)
    assert scalars["std"] == pytest.approx(moving.std(), rel=1e-5)


def test_groups_are_the_networks_parts_and_add_up_to_it(tiny: Make, tmp_path: Path) -> None:
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
def test_gradients_are_of_the_measured_step_and_parameters_from_after_it(
    runner: str, tiny: Make, tmp_path: Path
) -> None:
    """The first step's gradient is computed from its first moment: g = m / (1 - beta1)."""
    trainer = trainer_of(tiny({"runner": runner, "training.epochs": 1}), tmp_path / "checkpoint.pt")
    seen: dict[str, np.ndarray] = {}

    def remember(*_: object) -> None:
        if not seen:
            moments = [state["exp_avg"].reshape(-1) for state in trainer.task.optimizer.state.values()]
            seen["gradient"] = (torch.cat(moments).double() / 0.1).abs().numpy()
            weights = [p.detach().reshape(-1) for p in trainer.task.model.parameters()]
            seen["parameter"] = torch.cat(weights).abs().double().numpy()

    trainer.task.optimizer.register_step_post_hook(remember)
    trainer.train()
    for quantity, values in seen.items():
        scalars = trainer.progress.scalars[f"{quantity}/network"][-1]
        logs = np.log2(values[values > 1e-8])
        assert scalars["q50"] == pytest.approx(np.quantile(logs, 0.5), abs=1e-3), quantity
        assert scalars["q95"] == pytest.approx(np.quantile(logs, 0.95), abs=1e-3), quantity


DECAYING: dict[str, dict[str, object]] = {
    "adamw": {},
    "adamw, unbalanced": {"optimizer.decay_unbalance": 1.5},
    "adaml2": {"optimizer": "adaml2"},
    "metric prox": {"optimizer": "adam_metric_prox"},
    "scaled l2": {"optimizer": "adam_scaled_l2"},
    "scaled l2 by layer": {"optimizer": "adam_scaled_l2", "optimizer.granularity": "layer"},
}


@pytest.mark.parametrize("runner", ["plain", "fast"])
@pytest.mark.parametrize("kind", DECAYING)
def test_effective_decays_and_drown_out_shares_match_their_definitions(
    kind: str, runner: str, tiny: Make, tmp_path: Path
) -> None:
    """Computed from the gradients of every step, in float64."""
    decay, steps = 0.5, 8
    values = {"optimizer.weight_decay": decay, "runner": runner, "optimizer.lr": 1e-3, **DECAYING[kind]}
    trainer = trainer_of(tiny(values), tmp_path / "checkpoint.pt")
    task = trainer.task
    u, v, taken = 0.0, 0.0, 0
    expected: dict[str, np.ndarray] = {}

    def flat(tensors: list[torch.Tensor]) -> np.ndarray:
        return torch.cat([t.detach().double().reshape(-1) for t in tensors]).numpy()

    def pull(*_: object) -> None:
        nonlocal u, v, taken
        taken += 1
        g = flat(list(task.gradients().values()))
        x = flat(list(task.model.parameters()))
        u = 0.999 * u + 0.001 * g**2
        u_hat = u / (1 - 0.999**taken)
        sizes = [p.numel() for p in task.model.parameters()]
        layers = np.split(u_hat, np.cumsum(sizes)[:-1])
        by_layer = np.concatenate([np.full_like(layer, np.sqrt(layer.mean())) for layer in layers])
        scale = by_layer if "layer" in kind else np.sqrt(u_hat)
        if kind == "adaml2":
            g = g + decay * x
        elif kind.startswith("scaled"):
            g = g + decay / 1e-3 * scale * x
        v = 0.999 * v + 0.001 * g**2
        metric = np.sqrt(v / (1 - 0.999**taken)) + 1e-8
        expected["u_hat"] = u_hat
        own = np.ones_like(g)
        if kind == "adamw, unbalanced":
            own = np.repeat(layer_factors(1.5, len(sizes), "decays"), sizes)
        elif kind in ("adaml2", "metric prox"):
            own = 1e-3 / metric
        elif kind.startswith("scaled"):
            own = scale / metric
        expected["decay"] = own

    def push(*_: object) -> None:
        if taken == steps:
            x = flat(list(task.model.parameters()))
            expected["told"] = flat(list(effective_decays(task).values()))
            expected["drowned"] = np.array((decay * abs(x) > np.sqrt(expected["u_hat"])).mean())
            np.testing.assert_allclose(expected["told"], expected["decay"], rtol=2e-3)

    task.optimizer.register_step_pre_hook(pull)
    task.optimizer.register_step_post_hook(push)
    trainer.train()
    assert "told" in expected and trainer.progress.histogram_steps[-1] == steps
    found = trainer.progress.last_scalars("effective_decay")["network"]
    assert 0 < float(expected["drowned"]) < 1
    assert found["drown_out_share"] == pytest.approx(float(expected["drowned"]), abs=2e-3)
    # Under the scaled rule, a coordinate that has not had a gradient yet does not decay.
    decaying = np.log2(expected["told"][expected["told"] > 0])
    assert found["q50"] == pytest.approx(np.median(decaying), abs=1e-3)
    counts = np.array(trainer.progress.counts["effective_decay/network"][-1])
    assert counts.sum() == len(expected["told"]) and counts[0] == len(expected["told"]) - len(decaying)
    lowest, highest = np.floor([decaying.min(), decaying.max()])
    assert counts[1 + 80 + int(lowest) : 2 + 80 + int(highest)].sum() == len(decaying)


def test_without_decay_there_is_no_effective_decay(tiny: Make, tmp_path: Path) -> None:
    trainer = trainer_of(tiny({"optimizer.weight_decay": 0}), tmp_path / "checkpoint.pt")
    trainer.train()
    assert not trainer.progress.scalars_of("effective_decay")


def test_gradients_are_multiplied_by_layer_before_anything_uses_them(tiny: Make, tmp_path: Path) -> None:
    """AdamW at eps = 0 takes the same first step, but its moments are of the multiplied gradients."""
    moments = []
    for unbalance in (0.0, 3.0):
        config = tiny({"training.gradient_unbalance": unbalance, "optimizer.eps": 0, "training.epochs": 1})
        trainer = trainer_of(config, tmp_path / f"{unbalance}.pt")
        next(iter(trainer.steps(0, 0)))
        (state,) = trainer.task.optimizer.state.values()
        moments.append(state["exp_avg"])
    sizes = [p.numel() for p in trainer.task.model.parameters()]
    factors = layer_factors(3.0, len(sizes), "gradients")
    assert min(factors) == pytest.approx(1e-3) and max(factors) == pytest.approx(1e3)
    spread = torch.repeat_interleave(torch.tensor(factors), torch.tensor(sizes))
    torch.testing.assert_close(moments[1], (moments[0] * spread).float(), rtol=1e-5, atol=0)


def test_histograms_are_measured_at_the_chosen_epochs_and_the_last(tiny: Make, tmp_path: Path) -> None:
    def measured(epochs: list[int]) -> list[int]:
        config = tiny({"training.epochs": 3, "training.evaluate_every": 3, "training.histogram_epochs": epochs})
        trainer = trainer_of(config, tmp_path / "checkpoint.pt")
        trainer.train()
        return trainer.progress.histogram_epochs

    assert measured([]) == [3]
    assert measured([2, 3, 50]) == [2, 3]
