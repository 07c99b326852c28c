"""Each rule, compared with the NumPy reference, torch's own optimizers and its defining property."""

import math
from itertools import chain

import numpy as np
import pytest
import torch

from optim.reference import OPTIMIZERS, RULES, Array, Reference, parameter
from scalefree.optim import AdamL2, AdamMetricProx, AdamProx, AdamW


def gradients(rng: np.random.Generator, size: int) -> Array:
    """Gradients whose coordinates differ in scale by eight orders of magnitude."""
    return rng.standard_normal(size) * np.logspace(-4, 4, size)


@pytest.mark.parametrize("eps", [1e-8, 1e-3, 0.0])
@pytest.mark.parametrize("rule", RULES)
def test_iterates_equal_the_reference_for_groups_and_schedules(rule: str, eps: float) -> None:
    rng = np.random.default_rng(0)
    settings = [
        {"lr": 1e-2, "weight_decay": 3e-2, "betas": (0.9, 0.999)},
        {"lr": 3e-3, "weight_decay": 0.0, "betas": (0.8, 0.99)},
        {"lr": 5e-2, "weight_decay": 0.5, "betas": (0.0, 0.9)},
    ]
    params = [[parameter(rng.standard_normal(n)) for n in (5, 1)] for _ in settings]
    references = [
        [Reference(rule, p.detach().numpy().copy(), s["lr"], s["weight_decay"], *s["betas"], eps=eps) for p in ps]
        for ps, s in zip(params, settings, strict=True)
    ]
    optimizer = OPTIMIZERS[rule]([{"params": p, **s} for p, s in zip(params, settings, strict=True)], eps=eps)
    etas = [lambda i: 1.0, lambda i: (1 + math.cos(math.pi * i / 60)) / 2, lambda i: 1 / (1 + i)]
    for i in range(60):
        for group, refs, eta in zip(optimizer.param_groups, references, etas, strict=True):
            group["lr"] = group["initial_lr"] * eta(i)
            for p, ref in zip(group["params"], refs, strict=True):
                g = gradients(rng, p.numel())
                p.grad = torch.from_numpy(g.copy())
                ref.step(g, eta(i))
        optimizer.step()
    for p, ref in zip(chain(*params), chain(*references), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), ref.x, rtol=1e-12, atol=1e-14)
        state = optimizer.state[p]
        np.testing.assert_allclose(state["exp_avg"].numpy(), ref.m, rtol=1e-12)
        np.testing.assert_allclose(state["exp_avg_sq"].numpy(), ref.v, rtol=1e-12)


def run_beside_torch(ours: torch.optim.Optimizer, theirs: torch.optim.Optimizer, steps: int, cosine: bool) -> float:
    """Feeds both the same gradients; returns the largest difference between their iterates over all steps."""
    rng = np.random.default_rng(1)
    (x,), (y,) = ours.param_groups[0]["params"], theirs.param_groups[0]["params"]
    gap = 0.0
    for i in range(steps):
        for optimizer in (ours, theirs):
            eta = (1 + math.cos(math.pi * i / steps)) / 2 if cosine else 1.0
            optimizer.param_groups[0]["lr"] = 1e-2 * eta
        x.grad = torch.from_numpy(gradients(rng, x.numel()))
        y.grad = x.grad.clone()
        ours.step()
        theirs.step()
        gap = max(gap, (x - y).detach().abs().max().item())
    return gap


def pair(n: int = 40) -> tuple[torch.nn.Parameter, torch.nn.Parameter]:
    start = np.random.default_rng(2).standard_normal(n)
    return parameter(start), parameter(start)


@pytest.mark.parametrize("cosine", [False, True])
def test_adaml2_equals_torch_adam(cosine: bool) -> None:
    x, y = pair()
    ours, theirs = AdamL2([x], lr=1e-2, weight_decay=0.1), torch.optim.Adam([y], lr=1e-2, weight_decay=0.1)
    assert run_beside_torch(ours, theirs, 100, cosine) < 2e-15


@pytest.mark.parametrize("cosine", [False, True])
def test_adamw_equals_torch_adamw_with_the_converted_decay(cosine: bool) -> None:
    x, y = pair()
    ours = AdamW([x], lr=1e-2, weight_decay=0.1)
    theirs = torch.optim.AdamW([y], lr=1e-2, weight_decay=0.1 / 1e-2)
    assert run_beside_torch(ours, theirs, 100, cosine) < 2e-15


def test_adamw_differs_from_torch_adamw_with_the_same_decay() -> None:
    x, y = pair()
    ours = AdamW([x], lr=1e-2, weight_decay=0.1)
    theirs = torch.optim.AdamW([y], lr=1e-2, weight_decay=0.1)
    assert run_beside_torch(ours, theirs, 100, cosine=True) > 0.1


@pytest.mark.parametrize("rule", RULES)
def test_without_decay_every_rule_is_torch_adam(rule: str) -> None:
    x, y = pair()
    assert run_beside_torch(OPTIMIZERS[rule]([x], lr=1e-2), torch.optim.Adam([y], lr=1e-2), 100, True) < 2e-15


def one_step(rule: str, eta: float, decay: float, x: Array, g: Array) -> tuple[Array, Reference]:
    """The iterate after one step from x, preceded by a step at eta = 1 to fill the moments; and the reference."""
    rng = np.random.default_rng(3)
    p = parameter(x)
    optimizer = OPTIMIZERS[rule]([p], lr=0.1, weight_decay=decay)
    reference = Reference(rule, x.copy(), 0.1, decay)
    for gradient, value in ((rng.standard_normal(x.size), 1.0), (g, eta)):
        with torch.no_grad():
            p.copy_(torch.from_numpy(x))
        reference.x = x.copy()
        optimizer.param_groups[0]["lr"] = 0.1 * value
        p.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        reference.step(gradient, value)
    return p.detach().numpy(), reference


def test_adamprox_and_metric_prox_satisfy_their_optimality_conditions() -> None:
    rng = np.random.default_rng(4)
    x, g = rng.standard_normal(30), rng.standard_normal(30)
    eta, decay = 0.7, 0.4
    y, reference = one_step("adamprox", eta, decay, x, g)
    # 0 = d/dy  lambda/2 |y|^2 + <alpha p, y> + |y - x|^2 / (2 eta)
    np.testing.assert_allclose(decay * y + 0.1 * reference.p + (y - x) / eta, 0, atol=1e-14)
    y, reference = one_step("adam_metric_prox", eta, decay, x, g)
    metric = np.sqrt(reference.v / (1 - 0.999**2)) + 1e-8
    # 0 = d/dy  lambda/2 |y|^2 + <m_hat, y> + |y - x|_D^2 / (2 eta alpha)
    np.testing.assert_allclose(decay * y + reference.m / (1 - 0.9**2) + metric * (y - x) / (eta * 0.1), 0, atol=1e-13)
    y, _ = one_step("adamw", eta, decay, x, g)
    assert np.abs(decay * y + 0.1 * reference.p + (y - x) / eta).max() > 1e-2


def test_adamw_differs_from_adamprox_to_second_order() -> None:
    rng = np.random.default_rng(5)
    x, g = rng.standard_normal(30), rng.standard_normal(30)
    etas = 2.0 ** -np.arange(4, 12)
    decay = 0.5
    gaps, predicted = [], []
    for eta in etas:
        (w, reference), (prox, _) = (one_step(rule, eta, decay, x, g) for rule in ("adamw", "adamprox"))
        gaps.append(np.abs(prox - w).max())
        predicted.append(np.abs((decay * eta) ** 2 * x + decay * eta**2 * 0.1 * reference.p).max())
    slope = np.polyfit(np.log(decay * etas), np.log(gaps), 1)[0]
    assert abs(slope - 2) < 0.02
    assert abs(gaps[-1] / predicted[-1] - 1) < 1e-3


@pytest.mark.parametrize("eps", [1e-8, 0.0])
@pytest.mark.parametrize("rule", RULES)
def test_the_direction_is_that_of_the_last_step(rule: str, eps: float) -> None:
    rng = np.random.default_rng(7)
    params = [parameter(rng.standard_normal(n)) for n in (30, 4)]
    references = [Reference(rule, p.detach().numpy().copy(), 0.01, 0.2, eps=eps) for p in params]
    optimizer = OPTIMIZERS[rule](params, lr=0.01, weight_decay=0.2, eps=eps)
    for _ in range(5):
        for p, reference in zip(params, references, strict=True):
            g = gradients(rng, p.numel())
            g[0] = 0.0
            p.grad = torch.from_numpy(g.copy())
            reference.step(g, 1.0)
        optimizer.step()
    states = [optimizer.state[p] for p in params]
    buffers = [tensor for state in states for tensor in state.values()]
    before = [tensor.clone() for tensor in buffers]
    for p, reference in zip(optimizer.read(optimizer.direction, optimizer.param_groups[0]), references, strict=True):
        np.testing.assert_allclose(p.numpy(), reference.p, rtol=1e-12, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(before, buffers, strict=True))


@pytest.mark.parametrize("rule", RULES)
def test_the_effective_decay_is_how_far_lambda_moves_a_coordinate(rule: str) -> None:
    """To first order: how far a small lambda alone moves x in a step, divided by lambda eta x."""
    rng = np.random.default_rng(11)
    start, decay, eta = rng.standard_normal(40), 1e-8, 0.5
    pulls = [gradients(rng, 40) for _ in range(3)]
    moved = []
    for weight_decay in (decay, 0.0):
        p = parameter(start.copy())
        optimizer = OPTIMIZERS[rule]([p], lr=0.01, weight_decay=0.0, eps=1e-6, betas=(0.0, 0.999))
        for step, g in enumerate(pulls, 1):
            for group in optimizer.param_groups:
                group["lr"] = eta * 0.01
                group["weight_decay"] = weight_decay if step == len(pulls) else 0.0
            p.grad = torch.from_numpy(g.copy())
            before = p.detach().numpy().copy()
            optimizer.step()
        moved.append(p.detach().numpy() - before)
    told = optimizer.read(optimizer.effective_decay, optimizer.param_groups[0])[0].numpy()
    # The prox rules decay the point that the step without decay reaches.
    decayed = before + moved[1] if "prox" in rule else before
    expected = (moved[1] - moved[0]) / (decay * eta * decayed)
    if rule in ("adaml2", "adam_scaled_l2"):
        # A change of g also moves D, which cancels g / sqrt(v_hat) * (1 - beta2) g / (1 - beta2^t) / D of it.
        root = np.sqrt(optimizer.state[p]["exp_avg_sq"].numpy() / (1 - 0.999**3))
        told = told * (1 - pulls[-1] ** 2 * 0.001 / (1 - 0.999**3) / (root * (root + 1e-6)))
    np.testing.assert_allclose(expected, told, rtol=1e-3, atol=1e-6)


def test_decay_follows_the_schedule_and_not_the_step_size() -> None:
    for optimizer_class, factor in ((AdamW, 1 - 0.3 * 0.5), (AdamProx, 1 / (1 + 0.3 * 0.5))):
        for alpha in (1e-4, 1e-1):
            p = parameter(np.ones(3))
            optimizer = optimizer_class([p], lr=alpha, weight_decay=0.3)
            optimizer.param_groups[0]["lr"] = 0.5 * alpha
            p.grad = torch.zeros(3, dtype=torch.float64)
            optimizer.step()
            torch.testing.assert_close(p.detach(), torch.full((3,), factor, dtype=torch.float64))


def test_metric_prox_shrinks_small_gradients_more() -> None:
    p = parameter(np.ones(2))
    optimizer = AdamMetricProx([p], lr=0.1, weight_decay=0.1)
    p.grad = torch.tensor([1e-4, 1e4], dtype=torch.float64)
    optimizer.step()
    expected = [0.9 / (1 + 0.01 / (1e-4 + 1e-8)), 0.9 / (1 + 0.01 / 1e4)]
    np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-4)
