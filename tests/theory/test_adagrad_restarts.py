"""AdaGrad with restarts, compared with a NumPy loop, on quadratics and on another function."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalefree.theory.adagrad_restarts import adagrad_average, demonstrate, restarted_adagrad
from scalefree.theory.quadratics import start

Array = NDArray[np.float64]

HESSIAN = np.array([[2.0, 0.6], [0.6, 1.0]])
FIRST = np.array([1.0, -0.7])


def quadratic(x: Tensor) -> Tensor:
    return torch.from_numpy(HESSIAN) @ x


def loop(x: Array, lr: float, steps: int) -> list[Array]:
    v = np.zeros_like(x)
    total = np.zeros_like(x)
    averages = []
    for t in range(1, steps + 1):
        g = HESSIAN @ x
        v = v + g * g
        x = x - lr * g / np.sqrt(v)
        total = total + x
        averages.append(total / t)
    return averages


def test_averages_and_restarts_match_numpy() -> None:
    averages = adagrad_average(quadratic, torch.from_numpy(FIRST), 0.8, 12)
    np.testing.assert_allclose(averages, loop(FIRST, 0.8, 12), rtol=1e-12)
    points = [FIRST]
    for stage in range(4):
        points.append(loop(points[-1], 0.8 / 2**stage, 12)[-1])
    restarted = restarted_adagrad(quadratic, torch.from_numpy(FIRST), 0.8, 12, stages=4)
    np.testing.assert_allclose(restarted, points, rtol=1e-11)


def test_every_restart_halves_the_distance_on_a_non_quadratic_function() -> None:
    """Log-cosh regression with a ridge: smooth and strongly convex, with a minimiser from Newton's method."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((30, 6)), rng.standard_normal(30)

    def gradient(x: Array) -> Array:
        result: Array = a.T @ np.tanh(a @ x - b) / 30 + 0.1 * x
        return result

    minimiser = np.zeros(6)
    for _ in range(20):
        curvature = 1 - np.tanh(a @ minimiser - b) ** 2
        minimiser -= np.linalg.solve(a.T @ (curvature[:, None] * a) / 30 + 0.1 * np.eye(6), gradient(minimiser))
    assert np.abs(gradient(minimiser)).max() < 1e-14

    points = restarted_adagrad(lambda x: torch.from_numpy(gradient(x.numpy())), torch.ones(6).double(), 1.0, 100, 18)
    distances = np.linalg.norm(points.numpy() - minimiser, axis=1)
    rate = np.exp(np.polyfit(range(14), np.log(distances[5:]), 1)[0])
    assert rate == pytest.approx(0.5, abs=0.02)
    assert distances[-1] < 2e-5


def test_one_stage_length_works_for_every_diagonal_condition_number() -> None:
    one, many = demonstrate(1.0, 20, False), demonstrate(1e8, 20, False)
    np.testing.assert_allclose(many.restarted, one.restarted, rtol=1e-8)
    np.testing.assert_allclose(one.restarted[-1] / one.restarted[10], 2.0**-10, rtol=0.05)


def test_without_restarts_the_average_converges_like_one_over_t() -> None:
    shown = demonstrate(1.0, 20, False)
    assert shown.restarted[0] == shown.unrestarted[0] == pytest.approx(np.linalg.norm(start()))
    assert shown.unrestarted[20] / shown.unrestarted[10] == pytest.approx(0.5, rel=0.05)
    assert shown.restarted[20] < 1e-4 * shown.unrestarted[20]


def test_a_rotated_problem_needs_longer_stages() -> None:
    short, long = demonstrate(100.0, 10, True), demonstrate(100.0, 100, True)
    assert short.restarted[-1] > 100 * long.restarted[-1]


@pytest.mark.parametrize(("lr", "steps", "stages"), [(0.0, 5, 2), (1.0, 0, 2), (1.0, 5, 0), (float("nan"), 5, 2)])
def test_bad_settings_are_refused(lr: float, steps: int, stages: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        restarted_adagrad(quadratic, torch.from_numpy(FIRST), lr, steps, stages)
