"""Scaled Adam-l2's three granularities, compared with their equations in float64, and their invariances."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from optim.reference import parameter
from scalefree.optim import AdamScaledL2

Array = NDArray[np.float64]
SIZES = (5, 1, 12)
ALPHA, DECAY, BETA1, BETA2 = 0.02, 0.3, 0.9, 0.999

# u_hat of every coordinate of every layer -> the scale that multiplies its decay.
SCALES: dict[str, Callable[[list[Array]], list[Array]]] = {
    "coordinate": lambda u: [np.sqrt(layer) for layer in u],
    "layer": lambda u: [np.full_like(layer, np.sqrt(layer.mean())) for layer in u],
    "network": lambda u: [np.full_like(layer, np.sqrt(np.concatenate(u).mean())) for layer in u],
}


def by_the_equations(
    granularity: str, start: list[Array], pulls: list[list[Array]], eta: list[float], eps: float
) -> list[Array]:
    x = [layer.copy() for layer in start]
    m, v, u = ([np.zeros_like(layer) for layer in start] for _ in range(3))
    for t, (gradients, eta_t) in enumerate(zip(pulls, eta, strict=True), 1):
        u = [BETA2 * a + (1 - BETA2) * g**2 for a, g in zip(u, gradients, strict=True)]
        scales = SCALES[granularity]([a / (1 - BETA2**t) for a in u])
        for k, g in enumerate(gradients):
            g = g + DECAY / ALPHA * scales[k] * x[k]
            m[k] = BETA1 * m[k] + (1 - BETA1) * g
            v[k] = BETA2 * v[k] + (1 - BETA2) * g**2
            metric = np.sqrt(v[k] / (1 - BETA2**t)) + eps
            x[k] = x[k] - eta_t * ALPHA * m[k] / (1 - BETA1**t) / metric
    return x


def made(seed: int, steps: int) -> tuple[list[Array], list[list[Array]], list[float]]:
    """Layers, gradients over eight decades, and a schedule."""
    rng = np.random.default_rng(seed)
    start = [rng.standard_normal(size) for size in SIZES]
    sizes = [10.0 ** rng.uniform(-4, 4, size) for size in SIZES]
    pulls = [[rng.standard_normal(size) * s for size, s in zip(SIZES, sizes, strict=True)] for _ in range(steps)]
    return start, pulls, [1 / (1 + 0.1 * step) for step in range(steps)]


def trained(
    granularity: str, start: list[Array], pulls: list[list[Array]], eta: list[float], eps: float
) -> list[Array]:
    params = [parameter(layer.copy()) for layer in start]
    optimizer = AdamScaledL2(params, lr=ALPHA, weight_decay=DECAY, eps=eps, granularity=granularity)
    for gradients, eta_t in zip(pulls, eta, strict=True):
        for p, g in zip(params, gradients, strict=True):
            p.grad = torch.from_numpy(g.copy())
        optimizer.param_groups[0]["lr"] = ALPHA * eta_t
        optimizer.step()
    return [p.detach().numpy() for p in params]


@pytest.mark.parametrize("eps", [1e-8, 0.0])
@pytest.mark.parametrize("granularity", SCALES)
def test_iterates_follow_the_equations(granularity: str, eps: float) -> None:
    start, pulls, eta = made(seed=0, steps=30)
    expected = by_the_equations(granularity, start, pulls, eta, eps)
    for found, x in zip(trained(granularity, start, pulls, eta, eps), expected, strict=True):
        np.testing.assert_allclose(found, x, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("granularity", SCALES)
@pytest.mark.parametrize("scaled", SCALES)
def test_each_granularity_is_invariant_to_scaling_no_finer_than_itself(granularity: str, scaled: str) -> None:
    """At eps = 0. All gradients are multiplied by constants per coordinate, per layer or for the network."""
    order = list(SCALES)
    start, pulls, eta = made(seed=1, steps=20)
    rng = np.random.default_rng(2)
    of_network = 10.0 ** rng.uniform(-3, 3)
    constants = {
        "coordinate": [10.0 ** rng.uniform(-3, 3, size) for size in SIZES],
        "layer": [np.full(size, 10.0 ** rng.uniform(-3, 3)) for size in SIZES],
        "network": [np.full(size, of_network) for size in SIZES],
    }[scaled]
    plain = trained(granularity, start, pulls, eta, eps=0.0)
    multiplied = [[g * c for g, c in zip(gradients, constants, strict=True)] for gradients in pulls]
    other = trained(granularity, start, multiplied, eta, eps=0.0)
    gap = max(float(np.abs(a - b).max()) for a, b in zip(plain, other, strict=True))
    if order.index(scaled) >= order.index(granularity):
        assert gap < 1e-13
    else:
        assert gap > 1e-2


def test_a_coordinate_with_an_overflowed_second_moment_does_not_move() -> None:
    """Its u and v are infinite and never shrink again, so p and the decay are 0, and nothing is NaN."""
    p = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = AdamScaledL2([p], lr=0.1, weight_decay=0.1)
    for g in (torch.tensor([1e25, 1.0]), torch.tensor([1.0, 1.0])):
        p.grad = g
        optimizer.step()
    assert p[0] == 1.0 and 0 < p[1] < 1


def test_an_unknown_granularity_is_refused() -> None:
    with pytest.raises(ValueError, match=r"granularity='neuron' is unknown; choose coordinate, layer or network"):
        AdamScaledL2([torch.nn.Parameter(torch.ones(1))], granularity="neuron")
