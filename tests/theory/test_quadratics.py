"""Step counts, compared with plain loops and with the theorem."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from optim.reference import Reference
from scalefree.optim import AdamW
from scalefree.theory.hessians import Floats, diagonal_hessian, rotated_hessian
from scalefree.theory.quadratics import (
    ACCURACY,
    SCALE_FREE,
    counts,
    epsilon_counts,
    gradient_descent_steps,
    heavy_ball_steps,
    optimizer_steps,
    start,
)

PROBLEMS = [diagonal_hessian(1.0), diagonal_hessian(30.0), rotated_hessian(300.0, 5)]


def loop(hessian: Floats, step: float, momentum: float) -> int:
    x = previous = start()
    for t in range(1, 100_000):
        x, previous = x - step * hessian @ x + momentum * (x - previous), x
        if np.linalg.norm(x) <= ACCURACY:
            return t
    raise AssertionError("the accuracy is never reached")


def test_start_has_length_one_and_no_small_coordinate() -> None:
    assert np.linalg.norm(start()) == pytest.approx(1, rel=1e-14)
    assert np.abs(start()).min() > 0.01


@pytest.mark.parametrize("hessian", PROBLEMS)
def test_gradient_descent_takes_as_many_steps_as_a_loop(hessian: Floats) -> None:
    low, high = np.linalg.eigvalsh(hessian)[[0, -1]]
    assert gradient_descent_steps(hessian) == loop(hessian, 2 / (high + low), 0.0)


@pytest.mark.parametrize("hessian", PROBLEMS)
def test_heavy_ball_takes_as_many_steps_as_a_loop(hessian: Floats) -> None:
    low, high = np.sqrt(np.linalg.eigvalsh(hessian)[[0, -1]])
    assert heavy_ball_steps(hessian) == loop(hessian, 4 / (high + low) ** 2, ((high - low) / (high + low)) ** 2)


def test_counts_without_a_cap_follow_the_theory() -> None:
    """Gradient descent's steps grow like the condition number, heavy ball's like its root."""
    descent, ball = (
        [count(diagonal_hessian(condition)) for condition in (1e4, 1e6)]
        for count in (gradient_descent_steps, heavy_ball_steps)
    )
    assert descent[1] / descent[0] == pytest.approx(100, rel=0.01)
    assert 10 < ball[1] / ball[0] < 13
    assert descent[0] == pytest.approx(1e4 / 2 * math.log(1e3), rel=0.2)


def adam_by_loops(hessian: Floats, alpha: float, horizon: int, fall: float, eps: float) -> float:
    reference = Reference("adamw", start(), alpha=alpha, eps=eps)
    for t in range(horizon):
        reference.step(hessian @ reference.x, fall ** (t / horizon))
        if np.linalg.norm(reference.x) <= ACCURACY:
            return t + 1
    return math.inf


@pytest.mark.parametrize("eps", [0.0, 1e-3])
def test_optimizer_steps_are_the_best_of_separate_loops(eps: float) -> None:
    alphas, schedules = (0.5, 0.1, 0.02), ((60, 1e-6), (150, 1e-6), (150, 1.0))
    found = optimizer_steps(partial(AdamW, eps=eps), PROBLEMS, alphas, schedules)
    for hessian, steps in zip(PROBLEMS, found, strict=True):
        loops = [adam_by_loops(hessian, alpha, horizon, fall, eps) for alpha in alphas for horizon, fall in schedules]
        assert steps == min(loops)
    assert np.isfinite(found[:2]).all()


def test_a_target_never_reached_gives_infinity_and_threads_are_restored() -> None:
    threads = torch.get_num_threads()
    steps = optimizer_steps(
        partial(torch.optim.SGD), [diagonal_hessian(1.0), diagonal_hessian(1e6)], (1.0,), ((20, 1.0),)
    )
    assert steps.tolist() == [1.0, math.inf]
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("method", SCALE_FREE)
def test_diagonal_conditioning_does_not_affect_scale_free_rules(method: str) -> None:
    problems = [diagonal_hessian(condition) for condition in (1.0, 1e4, 1e8)]
    steps = optimizer_steps(SCALE_FREE[method], problems, schedules=((1000, 1e-6),))
    assert steps[0] < 250
    assert steps.tolist() == [steps[0]] * 3


def test_every_method_is_counted_on_every_problem() -> None:
    rows = counts(conditions=(1.0, 1e4), rotations=(0,))
    steps = {(row.method, row.condition, row.rotation): row.steps for row in rows}
    assert len(steps) == len(rows) == 5 * 2 * 2
    for method in SCALE_FREE:
        assert steps[method, 1e4, None] == steps[method, 1.0, None] < 150
        assert steps[method, 1e4, 0] > 1000  # rotated, scale-freeness does not help
    assert steps["gradient descent", 1e4, None] > 20_000


def test_all_eps_counted_at_once_equal_separate_counts() -> None:
    conditions = (1.0, 1e3, 1e6)
    together = epsilon_counts((1e-6, 1e-2), conditions)
    for eps, steps in together.items():
        apart = optimizer_steps(partial(AdamW, eps=eps), [diagonal_hessian(c) for c in conditions])
        assert steps == apart.tolist()
    assert together[1e-2][2] == math.inf
    assert together[1e-6][2] < 150
