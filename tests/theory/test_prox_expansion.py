"""AdamW and AdamProx compared: closed forms, and trajectories by the NumPy reference of the rules."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from optim.reference import Reference
from scalefree.theory.prox_expansion import (
    ALPHA,
    decay_gap,
    log_slope,
    one_step_differences,
    slowed_down,
    trajectory_gaps,
)

Array = NDArray[np.float64]


def toy() -> tuple[Array, Array, Array]:
    """Hessian, minimiser and start of the toy problem, rebuilt from its description."""
    q, r = np.linalg.qr(np.random.default_rng(0).standard_normal((10, 10)))
    q = q * np.sign(np.diag(r))
    points = [np.random.default_rng(seed).standard_normal(10) for seed in (0, 1)]
    target, start = (0.6 * point / np.abs(point).max() for point in points)
    return q @ np.diag(np.logspace(-2, 0, 10)) @ q.T, target, start


def walk(rule: str, steps: int, decay: float, alpha: float = ALPHA) -> Array:
    hessian, target, start = toy()
    reference = Reference(rule, start.copy(), alpha=alpha, decay=decay)
    path = []
    for _ in range(steps):
        reference.step(hessian @ (reference.x - target), 1.0)
        path.append(reference.x)
    return np.stack(path)


@pytest.mark.parametrize("decay", [1e-4, 1e-2, 0.5])
@pytest.mark.parametrize("eta", [1e-2, 1.0])
def test_the_one_step_difference_matches_numpy(decay: float, eta: float) -> None:
    hessian, target, start = toy()
    reference = Reference("adamw", start.copy(), alpha=ALPHA)
    for _ in range(20):
        reference.step(hessian @ (reference.x - target), 1.0)
    before = reference.x
    reference.step(hessian @ (before - target), eta)
    p = reference.p
    adamw = (1 - decay * eta) * before - eta * ALPHA * p
    adamprox = (before - eta * ALPHA * p) / (1 + decay * eta)
    (row,) = one_step_differences([decay], [eta])
    assert (row.weight_decay, row.eta) == (decay, eta)
    assert row.measured == pytest.approx(np.linalg.norm(adamprox - adamw), rel=1e-4)
    assert row.exact == pytest.approx(np.linalg.norm(adamprox - adamw), rel=1e-4)
    assert row.measured == pytest.approx(row.exact, rel=1e-4)


@pytest.mark.parametrize("decay", [1e-4, 1e-2, 1.0])
def test_the_difference_is_of_second_order_in_eta(decay: float) -> None:
    etas = list(np.geomspace(1e-3, 1e-2, 5))
    rows = one_step_differences([decay] * 5, etas)
    assert log_slope(etas, [row.measured for row in rows]) == pytest.approx(2, abs=0.01)


def test_at_full_eta_the_order_in_lambda_is_one_below_alpha_and_two_above() -> None:
    slopes = []
    for low in (1e-7, 2e-2):
        decays = list(np.geomspace(low, 3 * low, 5))
        slopes.append(log_slope(decays, [row.measured for row in one_step_differences(decays, [1.0] * 5)]))
    assert slopes[0] == pytest.approx(1, abs=0.01)
    assert 1.85 < slopes[1] < 2


def test_the_log_slope_of_a_power_is_its_exponent() -> None:
    assert log_slope([1, 2, 4], [3.0, 3 * 2**1.5, 3 * 4**1.5]) == pytest.approx(1.5, rel=1e-12)


def test_pairs_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError):
        one_step_differences([1e-4, 1e-3], [1.0])


def test_trajectory_gaps_match_numpy() -> None:
    steps, decay = 300, 1e-2
    (row,) = trajectory_gaps([decay], steps)
    gap = np.abs(walk("adamprox", steps, decay) - walk("adamw", steps, decay)).max()
    assert row.gap == pytest.approx(gap, rel=1e-9)
    assert row.slowed < 1e-13


def test_gaps_over_2000_steps_are_as_large_as_specified() -> None:
    rows = trajectory_gaps([1e-4, 1e-1])
    assert [row.gap for row in rows] == pytest.approx([3e-5, 2.4e-2], rel=0.2)


def test_adamprox_is_adamw_slowed_down() -> None:
    decay = 0.05
    slow_alpha, slow_decay = slowed_down(ALPHA, decay)
    assert (slow_alpha, slow_decay) == pytest.approx((ALPHA / 1.05, 0.05 / 1.05), rel=1e-15)
    slow, prox = walk("adamw", 200, slow_decay, slow_alpha), walk("adamprox", 200, decay)
    assert np.abs(slow - prox).max() < 1e-13
    assert np.abs(walk("adamw", 200, decay) - prox).max() > 1e-3


def test_the_gap_of_decay_alone_matches_repeated_multiplication() -> None:
    slow = fast = 1.0
    largest = 0.0
    for _ in range(500):
        slow, fast = slow / 1.01, fast * 0.99
        largest = max(largest, slow - fast)
    assert decay_gap(0.01, 500) == pytest.approx(largest, rel=1e-10)
    assert decay_gap(0.01, 500) == pytest.approx(0.01 / math.e, rel=0.02)
    assert decay_gap(0.01, 1) == pytest.approx(1 / 1.01 - 0.99, rel=1e-10)
