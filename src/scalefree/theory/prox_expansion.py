"""AdamW is AdamProx to first order in the schedule: the two rules compared over one step and over trajectories.

From one state (x, p) and with s = lambda eta, the two steps are

    AdamProx   (x - eta alpha p) / (1 + s)           AdamW   (1 - s) x - eta alpha p

and since 1 / (1 + s) = 1 - s + s^2 / (1 + s), their difference is exactly

    AdamProx - AdamW = eta^2 lambda (lambda x + alpha p) / (1 + lambda eta)                              (*)

This is second order in eta at fixed lambda: the expansion in the paper. In lambda at fixed eta it is second order only
if the decay outweighs the step, lambda |x| > alpha |p|; otherwise it is first order with the small factor alpha.

The same equations say more. As 1 / (1 + s) = 1 - s / (1 + s), AdamProx with (alpha, lambda) under a
constant schedule *is* AdamW with (alpha, lambda) / (1 + lambda). Step and decay shrink by the same factor: AdamProx is
AdamW slowed down by 1 + lambda, which is one part in 10,000 at the paper's lambda = 1e-4. All this is our own
derivation.

Over a trajectory at eta = 1 the decay of the start alone gives a gap of (1 + lambda)^-t - (1 - lambda)^t times |x_0|.
It is largest after 1 / lambda steps, about lambda |x_0| / e, however long the run; Adam's own steps add to it.

The toy problem: a quadratic of condition number 100 along random axes in 10 dimensions, its minimiser and the start
random with a largest coordinate of 0.6; alpha = 1e-3, Adam's usual betas and eps.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scalefree.optim import rules
from scalefree.optim.rules import Hyperparameters, Rule, Tensors
from scalefree.theory.hessians import DIMENSION, rotated_hessian

ALPHA = 1e-3
BETAS = (0.9, 0.999)
EPS = 1e-8
SIZE = 0.6
WARM_UP = 20
STEPS = 2000


class OneStep(NamedTuple):
    """|AdamProx - AdamW| (Euclidean) after one step from a common state, measured and by equation (*)."""

    eta: float
    weight_decay: float
    measured: float
    exact: float


class Gap(NamedTuple):
    """The largest |AdamProx - AdamW| of any coordinate at any step of two trajectories under a constant schedule.

    `slowed` is the same with AdamW's alpha and lambda divided by 1 + lambda, where only rounding should be left.
    """

    weight_decay: float
    gap: float
    slowed: float


class State(NamedTuple):
    """One parameter's x, m, v and step count, as the rules take them."""

    x: Tensors
    m: Tensors
    v: Tensors
    t: Tensors

    def copy(self) -> "State":
        return State(*([tensor.clone() for tensor in tensors] for tensors in self))


def slowed_down(lr: float, weight_decay: float) -> tuple[float, float]:
    """(alpha, lambda) of the AdamW that equals AdamProx with `lr` and `weight_decay` under a constant schedule."""
    return lr / (1 + weight_decay), weight_decay / (1 + weight_decay)


def decay_gap(weight_decay: float, steps: int = STEPS) -> float:
    """max over t <= steps of (1 + lambda)^-t - (1 - lambda)^t: the gap from decay alone, for a start of size 1."""
    t = np.arange(1, steps + 1)
    return float(np.max((1 + weight_decay) ** -t.astype(np.float64) - (1 - weight_decay) ** t))


def _random_point(seed: int) -> Tensor:
    point = np.random.default_rng(seed).standard_normal(DIMENSION)
    return torch.from_numpy(SIZE * point / np.abs(point).max())


def _start() -> State:
    m, v = ([torch.zeros(DIMENSION, dtype=torch.float64)] for _ in range(2))
    return State([_random_point(seed=1)], m, v, [torch.zeros((), dtype=torch.float64)])


def _walk(rule: Rule, state: State, h: Hyperparameters, steps: int) -> Tensor:
    """Take steps from `state`, which moves along; returns the iterates, of shape (steps, DIMENSION)."""
    hessian, target = torch.from_numpy(rotated_hessian(100, seed=0)), _random_point(seed=0)
    path = []
    for _ in range(steps):
        state.t[0] += 1
        rule(state.x, [hessian @ (state.x[0] - target)], state.m, state.v, state.t, h)
        path.append(state.x[0].clone())
    return torch.stack(path)


def _settings(weight_decay: float, eta: float = 1.0, lr: float = ALPHA) -> Hyperparameters:
    return Hyperparameters(eta * lr, lr, BETAS, EPS, weight_decay)


def one_step_differences(weight_decay: Sequence[float], eta: Sequence[float]) -> list[OneStep]:
    """One step of both rules for each pair (lambda_i, eta_i), from the point reached by 20 steps without decay.

    Raises:
        ValueError: the sequences have different lengths.
    """
    start = _start()
    _walk(rules.adamw, start, _settings(0.0), WARM_UP)
    rows = []
    for decay, eta_t in zip(weight_decay, eta, strict=True):
        h = _settings(decay, eta_t)
        prox, adamw = start.copy(), start.copy()
        (prox_x,) = _walk(rules.adamprox, prox, h, 1)
        (adamw_x,) = _walk(rules.adamw, adamw, h, 1)
        (p,) = rules.direction(adamw.m, adamw.v, adamw.t, h)
        exact = eta_t**2 * decay * (decay * start.x[0] + ALPHA * p) / (1 + decay * eta_t)
        rows.append(OneStep(eta_t, decay, float((prox_x - adamw_x).norm()), float(exact.norm())))
    return rows


def log_slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the least-squares line through (log x, log y)."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def trajectory_gaps(weight_decay: Sequence[float], steps: int = STEPS) -> list[Gap]:
    """Whole trajectories of AdamW and AdamProx at each lambda, on the toy problem at eta = 1."""
    rows = []
    for decay in weight_decay:
        adamw = _walk(rules.adamw, _start(), _settings(decay), steps)
        prox = _walk(rules.adamprox, _start(), _settings(decay), steps)
        slow_lr, slow_decay = slowed_down(ALPHA, decay)
        slow = _walk(rules.adamw, _start(), _settings(slow_decay, lr=slow_lr), steps)
        rows.append(Gap(decay, *(float(d.abs().max()) for d in (prox - adamw, prox - slow))))
    return rows
