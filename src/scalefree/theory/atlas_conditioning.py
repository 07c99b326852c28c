"""How many steps an optimizer needs on quadratics of increasing condition number, axis-aligned and rotated.

f(x) = (x - x*)^T H (x - x*) / 2 in the 40 coordinates of two matrices, H with eigenvalues from 1 / condition to 1
equally spaced on a log axis, in random order along the coordinates or along random axes. Start and minimiser are
random with coordinates of size 1. Steps are counted to the first t with |x_t - x*| <= 0.01 |x_0 - x*|: the distance to
the minimiser, not f, in which a flat direction hardly counts. For every optimizer the best, in hindsight, of 16
schedules counts: eight step sizes from 0.001 to 3, constant over 300 steps or falling geometrically by a factor of
1,000 over 100. One without a step size runs twice.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from scalefree.theory.atlas_subjects import Subject
from scalefree.theory.hessians import Floats, diagonal_hessian, rotated_hessian
from scalefree.theory.walk import COORDINATES, Walk, seeded

ACCURACY = 0.01
RATES = (0.3, 0.1, 1.0, 0.03, 3.0, 0.01, 0.003, 0.001)
SCHEDULES = ((100, 1e-3), (300, 1.0))  # steps, last lr / first lr; the shorter first, because it bounds the longer
CAP = max(steps for steps, _ in SCHEDULES)
_LOST = 1e6  # a distance from which no run returns


def hessian(condition: float, rotated: bool) -> Floats:
    """40 by 40: diagonal with its eigenvalues in random order, or the same spectrum along random axes."""
    if rotated:
        return rotated_hessian(condition, seed=0, dimension=COORDINATES)
    return np.diag(np.random.default_rng(0).permutation(np.diag(diagonal_hessian(condition, COORDINATES))))


def _points() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(1)
    start, minimiser = (torch.from_numpy(rng.standard_normal(COORDINATES)) for _ in range(2))
    return start, minimiser


def steps(subject: Subject, hessian: Floats) -> float:
    """Fewest steps to the accuracy, without weight decay and at the default eps; inf if no schedule gets there."""
    fewest = math.inf
    rates: tuple[float | None, ...] = RATES if subject.takes("lr") else (None,)
    for horizon, fall in SCHEDULES:
        for rate in rates:
            # A run that needs more steps than an earlier one is of no interest.
            limit = int(min(horizon, fewest - 1))
            for t, distance in enumerate(_distances(subject, hessian, rate, limit, fall ** (1 / horizon)), start=1):
                if distance <= ACCURACY:
                    fewest = t
                    break
    return fewest


def _distances(subject: Subject, hessian: Floats, rate: float | None, limit: int, factor: float) -> Iterator[float]:
    """|x_t - x*| / |x_0 - x*| for t = 1 .. limit, as long as they are of interest; lr falls by `factor` per step."""
    start, minimiser = _points()
    curvature, first = torch.from_numpy(hessian), float((start - minimiser).norm())

    def gradient(x: Tensor) -> tuple[Tensor, Tensor]:
        slope = curvature @ (x - minimiser)
        return slope, (x - minimiser) @ slope / 2

    rates = {} if rate is None else {"lr": rate}
    decays = {"weight_decay": 0.0} if subject.takes("weight_decay") else {}
    try:
        with seeded(0):
            walk = Walk(subject.make(**rates, **decays), start, second_order=subject.second_order)
            for t in range(limit):
                if rate is not None:
                    walk.set(lr=rate * factor**t)
                walk.step(gradient)
                distance = float((walk.position() - minimiser).norm()) / first
                if not distance < _LOST:
                    return
                yield distance
    except (ValueError, RuntimeError, ArithmeticError):  # it refuses the step size or fails on infinite numbers
        return
