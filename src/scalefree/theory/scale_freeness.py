"""Measure the scale-freeness of any torch optimizer.

An optimizer is scale-free when multiplying each coordinate of every gradient by its own positive constant leaves
the iterates unchanged. The definition is about gradients along the optimizer's own path: where the plain run sees
`g_t(x)`, the rescaled run sees `factors * g_t(x)` at its own point x. The function behind g does not change, so both
runs move towards the same minimiser.

The gradients are those of a log-cosh regression with noise,

    g_t(x) = A^T tanh(A x - b) / rows + noise_t

with 40 coupled coordinates. They are bounded and of size 0.1, so that even an optimizer that multiplies its step
by a factor of 1e4 stays finite; its defect is then large, not infinite.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalefree.theory.walk import COORDINATES, MakeOptimizer, Walk, seeded

STEPS = 100
_ROWS = 80


def spread_factors(low: float = 1e-3, high: float = 1e4, seed: int = 0) -> NDArray[np.float64]:
    """The default factors: one per coordinate, equally spaced on a log axis from `low` to `high`, in random order."""
    return np.random.default_rng(seed).permutation(np.geomspace(low, high, COORDINATES))


def scale_free_defect(
    make_optimizer: MakeOptimizer,
    *,
    factors: Sequence[float] | NDArray[np.float64] | None = None,
    steps: int = STEPS,
    seed: int = 0,
    second_order: bool = False,
) -> float:
    """How far from scale-free an optimizer is: the relative change of its iterates under rescaled gradients.

        defect = max_t |x~_t - x_t| / max_t |x_t - x_0|     over t = 1 .. steps, Euclidean norms, float64

    where x_t are the iterates on the original gradients and x~_t those on the gradients times `factors`. So 1e-16 means
    scale-free, and 1 that the iterates are off by the whole distance travelled. It is inf if only the rescaled run
    becomes infinite or fails. With eps > 0 an otherwise scale-free optimizer has a defect of up to eps / (size of the
    gradients * smallest factor), less where few coordinates are that small.

        scale_free_defect(torch.optim.AdamW)
        scale_free_defect(lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9))

    Args:
        make_optimizer: a torch.optim constructor, or a lambda or partial around one; called twice with a list of two
            float64 matrices of shape (4, 5) and (5, 4). Its `step` is given a closure, so LBFGS works too.
        factors: 40 positive numbers, one per coordinate in the order of the list; None for `spread_factors()`, from
            1e-3 to 1e4.
        steps: how many steps to take, at least 1.
        seed: seed of the problem, its noise, and the optimizer's own random numbers.
        second_order: keep gradients differentiable, for optimizers that differentiate them again.

    Raises:
        TypeError: `make_optimizer` is not callable or does not return a torch optimizer.
        ValueError: bad `factors` or `steps`, or an optimizer that does not move the parameters or that diverges on the
            original gradients.
    """
    if not callable(make_optimizer):
        raise TypeError(
            f"make_optimizer={make_optimizer!r} is not callable; pass a constructor, or a lambda that takes the "
            "parameters and returns an optimizer"
        )
    if steps < 1:
        raise ValueError(f"steps={steps} must be at least 1")
    scale = _checked(spread_factors() if factors is None else np.asarray(factors, dtype=np.float64))
    plain = _iterates(make_optimizer, torch.ones(COORDINATES, dtype=torch.float64), steps, seed, second_order)
    travelled = float((plain - plain[0]).norm(dim=1).max())
    if not math.isfinite(travelled):
        raise ValueError("the optimizer diverges on unscaled gradients: give it a smaller step size")
    if travelled == 0:
        raise ValueError("the optimizer does not move: build it over the parameters it is given, with lr above 0")
    try:
        rescaled = _iterates(make_optimizer, scale, steps, seed, second_order)
    except (RuntimeError, ValueError, ArithmeticError):  # some refuse to continue with infinite numbers
        return math.inf
    if not rescaled.isfinite().all():
        return math.inf
    return float((rescaled - plain).norm(dim=1).max()) / travelled


def _checked(factors: NDArray[np.float64]) -> Tensor:
    if factors.shape != (COORDINATES,):
        raise ValueError(f"factors of shape {factors.shape}: give {COORDINATES} numbers, one for each coordinate")
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise ValueError("factors must all be above 0 and finite: a factor of 0 or below changes the problem itself")
    return torch.from_numpy(factors.copy())


def _iterates(make_optimizer: MakeOptimizer, factors: Tensor, steps: int, seed: int, second_order: bool) -> Tensor:
    """x_0 .. x_steps, of shape (steps + 1, 40), on gradients multiplied by `factors`."""
    rng = np.random.default_rng(seed)
    matrix, target, start, noise = (
        torch.from_numpy(rng.standard_normal(shape))
        for shape in ((_ROWS, COORDINATES), _ROWS, COORDINATES, (steps, COORDINATES))
    )
    with seeded(seed):
        walk = Walk(make_optimizer, start, second_order=second_order)
        path = [walk.position()]
        for noise_t in noise:

            def gradient(x: Tensor, noise_t: Tensor = noise_t) -> tuple[Tensor, Tensor]:
                residual = matrix @ x - target
                return factors * (matrix.T @ residual.tanh() / _ROWS + 0.1 * noise_t), residual.cosh().log().mean()

            walk.step(gradient)
            path.append(walk.position())
    return torch.stack(path)
