"""The committed atlas's defects, recomputed in NumPy from the documented problem and the published rules.

Neither the package's theory code nor any library's optimizer is used here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scalefree.theory.atlas import read

Floats = npt.NDArray[np.float64]
State = dict[str, Any]
# The iterate after step t, counted from 1, given the previous iterate and its gradient.
Rule = Callable[[int, Floats, Floats, State], Floats]

ATLAS = {row.name: row for row in read(Path(__file__).parents[2] / "results" / "atlas.csv")}
COORDINATES, ROWS, STEPS = 40, 80, 100
ZERO = np.zeros(COORDINATES)


def path(rule: Rule, factors: Floats) -> Floats:
    rng = np.random.default_rng(0)
    matrix, target = rng.standard_normal((ROWS, COORDINATES)), rng.standard_normal(ROWS)
    x, noise = rng.standard_normal(COORDINATES), rng.standard_normal((STEPS, COORDINATES))
    found, state = [x], dict[str, Any]()
    for t in range(1, STEPS + 1):
        gradient = factors * (matrix.T @ np.tanh(matrix @ x - target) / ROWS + 0.1 * noise[t - 1])
        x = rule(t, x, gradient, state)
        found.append(x)
    return np.array(found)


def defect(rule: Rule) -> float:
    factors = np.random.default_rng(0).permutation(np.geomspace(1e-3, 1e4, COORDINATES))
    plain, rescaled = path(rule, np.ones(COORDINATES)), path(rule, factors)
    travelled = np.linalg.norm(plain - plain[0], axis=1).max()
    return float(np.linalg.norm(rescaled - plain, axis=1).max() / travelled)


def moments(t: int, g: Floats, state: State, b1: float = 0.9, b2: float = 0.999) -> tuple[Floats, Floats]:
    """Both of Adam's moments, with bias correction."""
    state["m"] = b1 * state.get("m", ZERO) + (1 - b1) * g
    state["v"] = b2 * state.get("v", ZERO) + (1 - b2) * g * g
    return state["m"] / (1 - b1**t), state["v"] / (1 - b2**t)


def adam(shrink: Callable[[Floats], Floats], l2: float, eps: float, lr: float = 1e-3) -> Rule:
    def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
        m, v = moments(t, g + l2 * x, state)
        return shrink(x) - lr * m / (np.sqrt(v) + eps)

    return step


def adam_prox(decay: float, eps: float) -> Rule:
    adam_step = adam(lambda x: x, 0.0, eps)
    return lambda t, x, g, state: adam_step(t, x, g, state) / (1 + decay)


def metric_prox(decay: float, eps: float) -> Rule:
    """The proximal step in the metric of Adam's denominator."""

    def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
        m, v = moments(t, g, state)
        metric = np.sqrt(v) + eps
        return (x - 1e-3 * m / metric) / (1 + 1e-3 * decay / metric)

    return step


def nadam(decay: float, eps: float) -> Rule:
    def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
        g = g + decay * x
        now, then = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * at)) for at in (t, t + 1))
        state["product"] = state.get("product", 1.0) * now
        _, v = moments(t, g, state)
        direction = (1 - now) / (1 - state["product"]) * g + then / (1 - state["product"] * then) * state["m"]
        return x - 2e-3 * direction / (np.sqrt(v) + eps)

    return step


def radam(decay: float, eps: float) -> Rule:
    def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
        m, _ = moments(t, g + decay * x, state)
        most = 2 / (1 - 0.999) - 1
        rho = most - 2 * t * 0.999**t / (1 - 0.999**t)
        if rho <= 5:
            return x - 1e-3 * m
        rectified = np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
        return x - 1e-3 * m * rectified * np.sqrt(1 - 0.999**t) / (np.sqrt(state["v"]) + eps)

    return step


def adamax(decay: float, eps: float) -> Rule:
    def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
        g = g + decay * x
        m, _ = moments(t, g, state)
        state["largest"] = np.maximum(0.999 * state.get("largest", ZERO), np.abs(g) + eps)
        return x - 2e-3 * m / state["largest"]

    return step


def squares(keep: float, add: float) -> Callable[[float, float], Rule]:
    """Adagrad and RMSprop: the gradient divided by the root of a sum of its squares."""

    def make(decay: float, eps: float) -> Rule:
        def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
            g = g + decay * x
            state["s"] = keep * state.get("s", ZERO) + add * g * g
            return x - 1e-2 * g / (np.sqrt(state["s"]) + eps)

        return step

    return make


def adabelief(decay: float, eps: float) -> Rule:
    def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
        m, _ = moments(t, g, state)
        state["s"] = 0.999 * state.get("s", ZERO) + 0.001 * (g - state["m"]) ** 2 + eps
        return x * (1 - 1e-3 * decay) - 1e-3 * m / (np.sqrt(state["s"] / (1 - 0.999**t)) + eps)

    return step


def laprop(decay: float, eps: float) -> Rule:
    """With the 1e-15 that pytorch_optimizer adds under the root, whatever its eps."""

    def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
        state["v"] = 0.999 * state.get("v", ZERO) + 0.001 * g * g
        root = (np.sqrt(state["v"] + 1e-15) + eps) / np.sqrt(1 - 0.999**t)
        state["m"] = 0.9 * state.get("m", ZERO) + 0.1 * 4e-4 * g / root
        return (x - state["m"] / (1 - 0.9**t)) * (1 - 4e-4 * decay)

    return step


def lion(decay: float, eps: float) -> Rule:
    def step(t: int, x: Floats, g: Floats, state: State) -> Floats:
        sign = np.sign(0.9 * state.get("m", ZERO) + 0.1 * g)
        state["m"] = 0.99 * state.get("m", ZERO) + 0.01 * g
        return x * (1 - 1e-4 * decay) - 1e-4 * sign

    return step


# By name: the rule for a decay and an eps, and the library's default eps.
RULES: dict[str, tuple[Callable[[float, float], Rule], float]] = {
    "scalefree.optim.AdamL2": (lambda decay, eps: adam(lambda x: x, decay, eps), 1e-8),
    "scalefree.optim.AdamW": (lambda decay, eps: adam(lambda x: (1 - decay) * x, 0.0, eps), 1e-8),
    "scalefree.optim.AdamProx": (adam_prox, 1e-8),
    "scalefree.optim.AdamMetricProx": (metric_prox, 1e-8),
    "torch.optim.AdamW": (lambda decay, eps: adam(lambda x: (1 - 1e-3 * decay) * x, 0.0, eps), 1e-8),
    "torch.optim.NAdam": (nadam, 1e-8),
    "torch.optim.RAdam": (radam, 1e-8),
    "torch.optim.Adamax": (adamax, 1e-8),
    "torch.optim.Adagrad": (squares(1.0, 1.0), 1e-10),
    "torch.optim.RMSprop": (squares(0.99, 0.01), 1e-8),
    "torch.optim.SGD": (lambda decay, eps: lambda t, x, g, state: x - 1e-3 * (g + decay * x), 0.0),
    "pytorch_optimizer.AdaBelief": (adabelief, 1e-16),
    "pytorch_optimizer.LaProp": (laprop, 1e-15),
    "pytorch_optimizer.Lion": (lion, 0.0),
}


@pytest.mark.parametrize("name", RULES)
def test_the_defect_matches_the_published_rule(name: str) -> None:
    make, eps = RULES[name]
    row = ATLAS[name]
    # The CSV has three digits; below 1e-12 everything is rounding.
    assert row.defect == pytest.approx(defect(make(0.0, eps)), rel=6e-3, abs=1e-12)
    assert row.defect_decay == pytest.approx(defect(make(0.01, eps)), rel=6e-3, abs=1e-12)
    if row.eps:
        assert row.defect_eps0 == pytest.approx(defect(make(0.0, 0.0)), rel=6e-3, abs=1e-12)
        assert row.defect_decay_eps0 == pytest.approx(defect(make(0.01, 0.0)), rel=6e-3, abs=1e-12)
