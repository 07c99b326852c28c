"""Scale-free rules and others on quadratics of increasing condition number, diagonal and rotated.

Theorem (not in the paper's words). Let f be twice differentiable with a
minimiser x*, and let f~ range over the functions with the same minimiser and the Hessian Lambda * Hess f, Lambda
diagonal and positive. A scale-free algorithm has the same iterates on all of them, so it can depend only on the
smallest condition number in the family. For a diagonal quadratic that is 1. For a rotated one it is that of the best
diagonal rescaling, which helps little: see `unit_diagonal_condition`.

The paper's settings are not known. These are our own, in float64 and without noise:

- f(x) = x^T H x / 2 in 10 dimensions, H with eigenvalues from mu = 1 / condition to L = 1 equally spaced on a log
  axis, along the coordinate axes or along random ones (`hessians`). The start is one fixed random point.
- Steps are counted to the first t with |x_t| <= 1e-3 |x_0|. This is the distance to the minimiser, not f, in which
  a flat direction hardly counts however far it is from done.
- Gradient descent uses its best step 2 / (L + mu), heavy ball Polyak's best step and momentum. Both are linear
  recurrences along each eigenvector, so their counts come from closed forms and need no cap.
- Every other rule uses, for each problem separately, the best of 40 schedules: ten step sizes from 1e-3 to 1, each
  constant over 2,000 steps or falling geometrically to 1e-6 of it over 50, 200 or 1,000. That is the best in
  hindsight, but gradient descent also knows L and mu. A problem that no schedule finishes is reported as `inf`.

On rotated problems Adam still beats gradient descent, but because of its momentum, as the comparison with heavy ball
shows, not because it is scale-free. An eps above 0 breaks scale-freeness where it outweighs a gradient, and with it the
advantage: on diagonal problems Adam's steps rise from eps * condition = 100 on (`epsilon_counts`).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import Parameter
from torch.optim import Adagrad, Optimizer

from scalefree.optim import AdamW
from scalefree.theory.hessians import DIMENSION, Floats, diagonal_hessian, rotated_hessian

ACCURACY = 1e-3
ALPHAS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
CAP = 2000
SCHEDULES = ((CAP, 1.0), (1000, 1e-6), (200, 1e-6), (50, 1e-6))  # steps, last lr / first lr
CONDITIONS = tuple(10.0**k for k in range(9))
ROTATIONS = (0, 1, 2)  # seeds

# Scale-free rules, called with (params, lr=1.0). Adam is without decay, where our rules are the same.
SCALE_FREE: dict[str, Callable[..., Optimizer]] = {
    "Adam": partial(AdamW, eps=0.0),
    "sign descent": partial(AdamW, eps=0.0, betas=(0.0, 0.0)),
    "AdaGrad": partial(Adagrad, eps=0.0),
}
EPSILONS = (1e-8, 1e-6, 1e-4, 1e-2)


class Count(NamedTuple):
    """Steps of a method on a problem, `inf` if it needs more than CAP; `rotation` is None for a diagonal H."""

    method: str
    condition: float
    rotation: int | None
    steps: float


def start() -> Floats:
    """x_0, of length 1."""
    point = np.random.default_rng(10).standard_normal(DIMENSION)
    unit: Floats = point / np.linalg.norm(point)
    return unit


def gradient_descent_steps(hessian: Floats) -> float:
    """Steps of gradient descent with its best step: the smallest t with sum_i (1 - h lambda_i)^(2t) c_i^2 small.

    c_i are the coordinates of the start along the eigenvectors and h = 2 / (L + mu). The sum falls with t, so
    bisection finds it, exact to rounding for any condition number.
    """
    eigenvalues, vectors = np.linalg.eigh(hessian)
    contraction = np.abs(1 - 2 / (eigenvalues[-1] + eigenvalues[0]) * eigenvalues)
    coordinates = vectors.T @ start()

    def arrived(t: int) -> bool:
        return bool(np.linalg.norm(contraction**t * coordinates) <= ACCURACY)

    low, high = 0, 1
    while not arrived(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if arrived(middle) else (middle, high)
    return float(high)


def heavy_ball_steps(hessian: Floats) -> float:
    """Steps of x_{t+1} = x_t - h H x_t + beta (x_t - x_{t-1}), x_{-1} = x_0, with Polyak's best h and beta.

    h = 4 / (sqrt(L) + sqrt(mu))^2, sqrt(beta) = (sqrt(L) - sqrt(mu)) / (sqrt(L) + sqrt(mu)). The recurrence along
    an eigenvector is solved by beta^(t/2) (cos(t w) + (cos w - sqrt(beta)) sin(t w) / sin w), with
    2 sqrt(beta) cos w = 1 + beta - h lambda.
    """
    eigenvalues, vectors = np.linalg.eigh(hessian)
    root_l, root_mu = np.sqrt(eigenvalues[-1]), np.sqrt(eigenvalues[0])
    h = 4 / (root_l + root_mu) ** 2
    r = max((root_l - root_mu) / (root_l + root_mu), 1e-12)  # sqrt(beta); not 0 at condition 1, because it is a divisor
    edge = 1 - 1e-15  # keeps the double roots at mu and L off sin w = 0, at a relative error below 1e-5
    w = np.arccos(np.clip((1 + r * r - h * eigenvalues) / (2 * r), -edge, edge))
    coordinates = vectors.T @ start()
    size = 64
    while True:
        t = np.arange(size)[:, None]
        solution = r**t * (np.cos(t * w) + (np.cos(w) - r) * np.sin(t * w) / np.sin(w))
        arrived = np.linalg.norm(solution * coordinates, axis=1) <= ACCURACY
        if arrived.any():
            return float(arrived.argmax())
        size *= 4


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread for small tensors: on a busy machine, threads waiting for each other would take 30 times as
    long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_one_thread()
def optimizer_steps(
    make_optimizer: Callable[..., Optimizer],
    hessians: Sequence[Floats],
    alphas: Sequence[float] = ALPHAS,
    schedules: Sequence[tuple[int, float]] = SCHEDULES,
) -> Floats:
    """Fewest steps to the accuracy over all step sizes and schedules, for each Hessian; `inf` if none gets there.

    All problems and all alpha run as one parameter of shape (problems, alphas, DIMENSION), which needs an optimizer
    that treats each coordinate separately. As lr is then the same everywhere, alpha becomes the unit of length: y = x /
    alpha moves with lr 1 as x does with lr alpha.

    Args:
        make_optimizer: called with (params, lr=1.0).
    """
    h = torch.from_numpy(np.stack(hessians))
    alpha = torch.tensor(alphas, dtype=torch.float64)[:, None]
    first = torch.from_numpy(start()).expand(len(hessians), len(alphas), -1)
    fewest = np.full(len(hessians), np.inf)
    for horizon, fall in schedules:
        y = Parameter(first / alpha)
        optimizer = make_optimizer([y], lr=1.0)
        x, distances = first, []
        for t in range(horizon):
            y.grad = x @ h  # H is symmetric
            optimizer.param_groups[0]["lr"] = fall ** (t / horizon)
            optimizer.step()
            x = alpha * y.detach()
            distances.append(torch.linalg.vector_norm(x, dim=2).amin(dim=1))
        arrived = torch.stack(distances).numpy() <= ACCURACY
        fewest = np.minimum(fewest, np.where(arrived.any(axis=0), arrived.argmax(axis=0) + 1.0, np.inf))
    return fewest


def counts(conditions: Sequence[float] = CONDITIONS, rotations: Sequence[int] = ROTATIONS) -> list[Count]:
    """Every method on the diagonal problem and on each rotation, at each condition number: 3 seconds on one core."""
    places = [(condition, rotation) for condition in conditions for rotation in (None, *rotations)]
    hessians = [diagonal_hessian(c) if rotation is None else rotated_hessian(c, rotation) for c, rotation in places]
    steps: dict[str, Sequence[float] | Floats] = {
        "gradient descent": [gradient_descent_steps(hessian) for hessian in hessians],
        "heavy ball": [heavy_ball_steps(hessian) for hessian in hessians],
    }
    for name, make_optimizer in SCALE_FREE.items():
        steps[name] = optimizer_steps(make_optimizer, hessians)
    return [
        Count(name, condition, rotation, float(number))
        for name, numbers in steps.items()
        for (condition, rotation), number in zip(places, numbers, strict=True)
    ]


def epsilon_counts(
    epsilons: Sequence[float] = EPSILONS, conditions: Sequence[float] = CONDITIONS
) -> dict[float, list[float]]:
    """Adam's steps on the diagonal problems, a list over `conditions` for each eps, all above 0.

    All eps run at once: Adam with eps on f has the same iterates as Adam with 1e-8 on f * 1e-8 / eps.
    """
    hessians = [1e-8 / eps * diagonal_hessian(condition) for eps in epsilons for condition in conditions]
    steps = optimizer_steps(partial(AdamW, eps=1e-8), hessians).reshape(len(epsilons), len(conditions))
    return dict(zip(epsilons, steps.tolist(), strict=True))
