"""Multiplying each gradient coordinate by its own constant must not move the iterates of AdamW and AdamProx."""

import numpy as np
import pytest
import torch

from optim.reference import OPTIMIZERS, RULES, parameter

FACTORS = np.random.default_rng(0).permutation(np.logspace(-4, 4, 40))


def iterates(rule: str, eps: float, decay: float, factors: np.ndarray) -> np.ndarray:
    """200 steps on a noisy quadratic with coupled coordinates, with every gradient multiplied by `factors`."""
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((40, 40)) / 6
    hessian, target = matrix @ matrix.T + 0.1 * np.eye(40), rng.standard_normal(40)
    p = parameter(rng.standard_normal(40))
    optimizer = OPTIMIZERS[rule]([p], lr=1e-2, eps=eps, weight_decay=decay)
    path = []
    for i in range(200):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - i / 400)
        gradient = hessian @ (p.detach().numpy() - target) + 0.5 * rng.standard_normal(40)
        p.grad = torch.from_numpy(factors * gradient)
        optimizer.step()
        path.append(p.detach().numpy().copy())
    return np.stack(path)


def moved(rule: str, eps: float, decay: float) -> float:
    difference = iterates(rule, eps, decay, FACTORS) - iterates(rule, eps, decay, np.ones(40))
    return float(np.abs(difference).max())


@pytest.mark.parametrize("decay", [0.0, 1e-2])
@pytest.mark.parametrize("rule", ["adamw", "adamprox"])
def test_adamw_and_adamprox_are_scale_free(rule: str, decay: float) -> None:
    assert moved(rule, 0.0, decay) < 2e-14
    assert 1e-9 < moved(rule, 1e-8, decay) < 1e-4


@pytest.mark.parametrize("eps", [0.0, 1e-8])
@pytest.mark.parametrize("rule", ["adaml2", "adam_metric_prox"])
def test_adaml2_and_metric_prox_are_not_scale_free(rule: str, eps: float) -> None:
    assert moved(rule, eps, 1e-2) > 0.1


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_scale_free_without_decay(rule: str) -> None:
    assert moved(rule, 0.0, 0.0) < 2e-14
    assert moved(rule, 1e-8, 0.0) < 1e-4
