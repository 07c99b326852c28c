"""Step counts on quadratics: gradient descent's closed form, and the effect of scale-freeness."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from scalefree import optim
from scalefree.theory.atlas_conditioning import ACCURACY, CAP, RATES, SCHEDULES, hessian, steps
from scalefree.theory.atlas_subjects import OURS, TORCH, Subject

SGD = Subject(TORCH, torch.optim.SGD)


def gradient_descent(condition: float, rotated: bool) -> float:
    """Steps by the closed form: for each schedule the product of all steps' factors, by eigenvalue."""
    curvature = hessian(condition, rotated)
    rng = np.random.default_rng(1)
    start, minimiser = rng.standard_normal(40), rng.standard_normal(40)
    eigenvalues, vectors = np.linalg.eigh(curvature)
    first = vectors.T @ (start - minimiser)
    fewest = math.inf
    for horizon, fall in SCHEDULES:
        for rate in RATES:
            lr = rate * fall ** (np.arange(horizon) / horizon)
            left = np.cumprod(1 - lr[:, None] * eigenvalues, axis=0) * first
            arrived = np.linalg.norm(left, axis=1) <= ACCURACY * np.linalg.norm(first)
            if arrived.any():
                fewest = min(fewest, int(arrived.argmax()) + 1)
    return fewest


@pytest.mark.parametrize(("condition", "rotated"), [(1.0, False), (1e2, False), (1e2, True), (1e4, False)])
def test_gradient_descent_takes_as_many_steps_as_its_closed_form(condition: float, rotated: bool) -> None:
    assert steps(SGD, hessian(condition, rotated)) == gradient_descent(condition, rotated)


def test_the_cases_above_range_from_easy_to_beyond_the_cap() -> None:
    assert gradient_descent(1.0, False) == 1
    assert 50 < gradient_descent(1e2, False) < CAP
    assert gradient_descent(1e4, False) == math.inf


def test_hessians_have_the_right_spectrum_and_one_is_diagonal() -> None:
    for rotated in (False, True):
        curvature = hessian(1e4, rotated)
        np.testing.assert_allclose(np.linalg.eigvalsh(curvature), np.geomspace(1e-4, 1, 40), rtol=1e-9)
        assert np.array_equal(curvature, np.diag(np.diag(curvature))) != rotated
    assert not np.array_equal(np.diag(hessian(1e4, False)), np.sort(np.diag(hessian(1e4, False))))


def test_diagonal_conditioning_does_not_affect_a_scale_free_optimizer() -> None:
    adamw = Subject(OURS, optim.AdamW, {"eps": 0.0})
    counts = [steps(adamw, hessian(condition, False)) for condition in (1.0, 1e4)]
    assert counts[0] == counts[1] < CAP
    assert steps(adamw, hessian(1e2, True)) > counts[0]


def test_sign_descent_needs_a_falling_step_size() -> None:
    """Step by step in NumPy, as it has no closed form; constant steps end in a zigzag."""
    sign_descent = Subject(OURS, optim.AdamW, {"eps": 0.0, "betas": (0.0, 0.0)})
    rng = np.random.default_rng(1)
    start, minimiser = rng.standard_normal(40), rng.standard_normal(40)
    fewest = {}
    for horizon, fall in SCHEDULES:
        counts = [math.inf]
        for rate in RATES:
            x = start.copy()
            for t in range(horizon):
                x -= rate * fall ** (t / horizon) * np.sign(x - minimiser)
                if np.linalg.norm(x - minimiser) <= ACCURACY * np.linalg.norm(start - minimiser):
                    counts.append(t + 1)
                    break
        fewest[fall] = min(counts)
    assert steps(sign_descent, hessian(1.0, False)) == fewest[1e-3] < fewest[1.0]


def test_decay_is_off_and_a_failing_optimizer_never_arrives() -> None:
    class Failing(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            raise RuntimeError("no")

    class Decaying(torch.optim.SGD):
        def __init__(self, params: Any, lr: float = 1.0, weight_decay: float = 5.0) -> None:
            super().__init__(params, lr=lr, weight_decay=weight_decay)

    assert steps(Subject("", Failing), hessian(1.0, False)) == math.inf
    assert steps(Subject("", Decaying), hessian(1.0, False)) == 1


def test_an_optimizer_without_a_step_size_runs_unchanged() -> None:
    class Halving(torch.optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {})

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for p in self.param_groups[0]["params"]:
                p -= p.grad / 2

    assert steps(Subject("", Halving), hessian(1.0, False)) == math.ceil(math.log2(1 / ACCURACY))
