"""AdaGrad with restarts: scale-free, and linearly convergent on smooth strongly convex functions.

An appendix of the paper is thought to show this; what follows is our own version. AdaGrad at eps = 0,

    v_t = v_{t-1} + g_t^2,   x_{t+1} = x_t - alpha g_t / sqrt(v_t)   coordinate by coordinate,

is scale-free. On a convex L-smooth function, T steps with alpha of the size of the distance D to the minimiser bring
the average of the iterates to f - f* = O(d L D^2 / T). If f is also mu-strongly convex, |x - x*|^2 <= 2 (f - f*) / mu,
and so T of order d L / mu steps halve the distance. A restart from the average with v = 0 and half the alpha does so
again: every stage of T steps halves the distance, while without restarts the average converges like 1 / t. As the whole
method is scale-free, L / mu in T is that of the best diagonal rescaling: on diagonal quadratics the same T works for
every condition number. (The last iterate of plain AdaGrad also converges linearly on these noiseless quadratics. The
argument above is about averages, and so is this demonstration.)
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Adagrad

from scalefree.theory.hessians import Floats, diagonal_hessian, rotated_hessian
from scalefree.theory.quadratics import start

STAGES = 20

Gradient = Callable[[Tensor], Tensor]


class Demonstration(NamedTuple):
    """Distances to the minimiser, relative to the start, after 0 .. STAGES times `steps_per_stage` steps."""

    rotated: bool
    condition: float
    steps_per_stage: int
    restarted: Floats
    unrestarted: Floats


def adagrad_average(gradient: Gradient, x: Tensor, lr: float, steps: int) -> Tensor:
    """Running averages of AdaGrad's iterates x_1 .. x_t for t = 1 .. steps, of shape (steps, coordinates)."""
    param = Parameter(x.clone())
    optimizer = Adagrad([param], lr=lr, eps=0.0)
    path = []
    for _ in range(steps):
        param.grad = gradient(param.detach())
        optimizer.step()
        path.append(param.detach().clone())
    return torch.stack(path).cumsum(dim=0) / torch.arange(1, steps + 1, dtype=x.dtype)[:, None]


def restarted_adagrad(gradient: Gradient, x: Tensor, lr: float, steps_per_stage: int, stages: int = STAGES) -> Tensor:
    """The points between stages, x first, of shape (stages + 1, coordinates); lr halves from stage to stage.

    Args:
        gradient: gradient of a smooth strongly convex function.
        lr: step size of the first stage, about the distance to the minimiser in the largest coordinate.

    Raises:
        ValueError: fewer than 1 stage or step, or lr not above 0.
    """
    if stages < 1 or steps_per_stage < 1 or not lr > 0:
        raise ValueError(f"stages={stages} and steps_per_stage={steps_per_stage} must be at least 1, lr={lr} above 0")
    points = [x]
    for stage in range(stages):
        points.append(adagrad_average(gradient, points[-1], lr / 2**stage, steps_per_stage)[-1])
    return torch.stack(points)


def demonstrate(condition: float, steps_per_stage: int, rotated: bool) -> Demonstration:
    """Restarted and unrestarted AdaGrad on one of the quadratics of `quadratics`, lr 1 = |x_0| at the start."""
    hessian = torch.from_numpy(rotated_hessian(condition, seed=0) if rotated else diagonal_hessian(condition))

    def gradient(x: Tensor) -> Tensor:
        return hessian @ x

    x = torch.from_numpy(start())
    restarted = restarted_adagrad(gradient, x, 1.0, steps_per_stage)
    average = adagrad_average(gradient, x, 1.0, STAGES * steps_per_stage)[steps_per_stage - 1 :: steps_per_stage]
    distances = (points.norm(dim=1).numpy() for points in (restarted, torch.cat([x[None], average])))
    return Demonstration(rotated, condition, steps_per_stage, *distances)
