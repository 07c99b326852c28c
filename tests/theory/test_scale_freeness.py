"""The defect, compared with its definition, computed in NumPy from what the optimizer saw."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import Parameter

from scalefree.theory import scale_free_defect, spread_factors

FACTORS = np.random.default_rng(3).permutation(np.logspace(-2, 3, 40))


class Scripted(torch.optim.Optimizer):
    """Moves by a function of the gradient, and logs the positions and gradients of each of its two runs."""

    def __init__(self, params: list[Parameter], move: Callable[[torch.Tensor], torch.Tensor], log: list[Any]) -> None:
        super().__init__(params, {"lr": 0.1})
        self.move = move
        self.path: list[NDArray[np.float64]] = [self._flat("data")]
        self.gradients: list[NDArray[np.float64]] = []
        log.append(self)

    def _flat(self, what: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(p, what).numpy().ravel() for p in self.param_groups[0]["params"]])

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        closure()
        self.gradients.append(self._flat("grad"))
        for p in self.param_groups[0]["params"]:
            p -= 0.1 * self.move(p.grad)
        self.path.append(self._flat("data"))


def scripted(move: Callable[[torch.Tensor], torch.Tensor], steps: int) -> tuple[float, Scripted, Scripted]:
    log: list[Scripted] = []
    defect = scale_free_defect(lambda params: Scripted(params, move, log), factors=FACTORS, steps=steps)
    plain, rescaled = log
    return defect, plain, rescaled


def test_the_defect_is_the_largest_distance_over_the_distance_travelled() -> None:
    defect, plain, rescaled = scripted(lambda g: g, steps=7)
    a, b = np.stack(plain.path), np.stack(rescaled.path)
    assert len(a) == 8
    expected = np.linalg.norm(b - a, axis=1).max() / np.linalg.norm(a - a[0], axis=1).max()
    assert defect == pytest.approx(expected, rel=1e-12)
    assert defect > 10


def test_only_the_gradient_is_rescaled_at_the_runs_own_point() -> None:
    _, plain, rescaled = scripted(torch.sign, steps=3)  # equal paths, so gradients are equal up to the factors
    np.testing.assert_allclose(rescaled.gradients, FACTORS * np.stack(plain.gradients), rtol=1e-12)
    _, plain, rescaled = scripted(lambda g: g, steps=2)  # the paths separate after the first step
    np.testing.assert_allclose(rescaled.gradients[0], FACTORS * plain.gradients[0], rtol=1e-12)
    assert np.abs(rescaled.gradients[1] / FACTORS - plain.gradients[1]).max() > 1e-2


def test_gradients_have_the_stated_size_and_noise() -> None:
    _, plain, _ = scripted(torch.sign, steps=30)
    gradients = np.stack(plain.gradients)
    assert 0.05 < np.sqrt(np.mean(gradients**2)) < 0.3
    assert np.sqrt(np.mean(np.diff(gradients, axis=0) ** 2)) > 0.05


def test_one_step_of_sgd_and_of_adam_have_closed_forms() -> None:
    for factor in (0.25, 3.0):
        defect = scale_free_defect(partial(torch.optim.SGD, lr=0.1), factors=[factor] * 40, steps=1)
        assert defect == pytest.approx(abs(factor - 1), rel=1e-12)
    _, plain, _ = scripted(torch.sign, steps=1)
    g = plain.gradients[0]
    p, rescaled_p = g / (np.abs(g) + 1e-3), FACTORS * g / (FACTORS * np.abs(g) + 1e-3)
    defect = scale_free_defect(partial(torch.optim.Adam, eps=1e-3), factors=FACTORS, steps=1)
    assert defect == pytest.approx(np.linalg.norm(rescaled_p - p) / np.linalg.norm(p), rel=1e-9)


def test_sign_descent_is_exactly_scale_free() -> None:
    assert scripted(torch.sign, steps=5)[0] == 0
    assert scale_free_defect(torch.optim.Rprop) == 0


def test_torchs_adamw_is_nearly_scale_free_but_adam_with_decay_and_sgd_are_not() -> None:
    alpha, decay = 1e-2, 1e-2
    adamw = partial(torch.optim.AdamW, lr=alpha, weight_decay=decay / alpha)
    assert scale_free_defect(partial(adamw, eps=0.0)) < 1e-14
    assert 3e-7 < scale_free_defect(partial(adamw, eps=1e-8)) < 1e-5
    assert scale_free_defect(partial(torch.optim.Adam, lr=alpha, weight_decay=decay)) > 0.1
    assert scale_free_defect(torch.optim.SGD) > 1


def test_lbfgs_gets_the_closure_that_it_needs() -> None:
    lbfgs = partial(torch.optim.LBFGS, lr=0.1, max_iter=2)
    assert scale_free_defect(lbfgs, factors=np.linspace(0.5, 2, 40), steps=5) > 1e-2


def test_the_defect_is_deterministic_and_depends_on_the_seed() -> None:
    defects = [scale_free_defect(torch.optim.SGD, steps=5, seed=seed) for seed in (0, 0, 1)]
    assert defects[0] == defects[1] != defects[2]


def test_default_factors_cover_seven_decades_evenly() -> None:
    factors = spread_factors()
    assert factors.shape == (40,)
    np.testing.assert_allclose(np.sort(np.log10(factors)), np.linspace(-3, 4, 40), atol=1e-12)
    assert not np.array_equal(factors, np.sort(factors))


def test_a_rescaled_run_that_overflows_or_fails_has_an_infinite_defect() -> None:
    assert scripted(lambda g: torch.where(g.abs() > 10, math.inf, g), steps=2)[0] == math.inf

    def failing(g: torch.Tensor) -> torch.Tensor:
        if g.abs().max() > 10:
            raise RuntimeError("too large")
        return g

    assert scripted(failing, steps=2)[0] == math.inf


def test_both_runs_draw_the_same_random_numbers() -> None:
    def noisy(g: torch.Tensor) -> torch.Tensor:
        return g.sign() * torch.rand(g.shape, dtype=g.dtype)

    assert scripted(noisy, steps=5)[0] == 0


def test_second_order_optimizers_can_differentiate_the_gradients() -> None:
    class Newton(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for p in self.param_groups[0]["params"]:
                (row_sums,) = torch.autograd.grad(p.grad, p, torch.ones_like(p), retain_graph=True)
                with torch.no_grad():
                    p -= 0.1 * row_sums.sign()

    assert scale_free_defect(Newton, steps=3, second_order=True) >= 0
    with pytest.raises(RuntimeError, match="require grad"):
        scale_free_defect(Newton, steps=3)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([1.0] * 39, "give 40 numbers"),
        (np.ones((8, 5)), "give 40 numbers"),
        ([0.0] + [1.0] * 39, "above 0 and finite"),
        ([-1.0] + [1.0] * 39, "above 0 and finite"),
        ([math.inf] + [1.0] * 39, "above 0 and finite"),
        ([math.nan] + [1.0] * 39, "above 0 and finite"),
    ],
)
def test_bad_factors_are_refused(factors: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scale_free_defect(torch.optim.SGD, factors=factors)


def test_other_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="steps=0"):
        scale_free_defect(torch.optim.SGD, steps=0)
    with pytest.raises(TypeError, match="not callable"):
        scale_free_defect(torch.optim.SGD([Parameter(torch.zeros(1))]))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="returned list"):
        scale_free_defect(lambda params: params)  # type: ignore[arg-type,return-value]


def test_an_optimizer_that_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="does not move"):
        scale_free_defect(lambda params: torch.optim.SGD([Parameter(torch.zeros(1))]), steps=2)
    for move in (lambda g: g / 0, lambda g: 1e300 * g):  # the second gets so far away that its distance overflows
        with pytest.raises(ValueError, match="diverges on unscaled"):
            scripted(move, steps=2)
