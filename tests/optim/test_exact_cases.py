"""Cases where the rules must agree bit for bit, or where a denominator is 0 or infinite."""

import numpy as np
import pytest
import torch

from optim.reference import OPTIMIZERS, RULES, bits, parameter
from scalefree.optim import AdamW


@pytest.mark.parametrize("eps", [1e-8, 0.0])
@pytest.mark.parametrize("tensors", [False, True])
def test_without_decay_the_rules_are_bit_identical(eps: float, tensors: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(400, generator=generator)
    start[:20], start[20:40] = 0.0, -0.0
    scales = torch.logspace(-25, 12, 400)[torch.randperm(400, generator=generator)]
    params = {rule: torch.nn.Parameter(start.clone()) for rule in RULES}
    lr: float | torch.Tensor = torch.tensor(1e-3, dtype=torch.float64) if tensors else 1e-3
    decay: float | torch.Tensor = torch.tensor(0.0) if tensors else 0.0
    optimizers = {r: OPTIMIZERS[r]([p], lr=lr, eps=eps, weight_decay=decay) for r, p in params.items()}
    for _ in range(300):
        g = torch.randn(400, generator=generator) * scales
        g[torch.rand(400, generator=generator) < 0.2] = -0.0
        g[:60] = torch.tensor([0.0, -0.0]).repeat(30)  # never a gradient
        for rule in RULES:
            params[rule].grad = g.clone()
            optimizers[rule].step()
    for rule in RULES:
        assert torch.isfinite(params[rule]).all()
        assert torch.equal(bits(params[rule]), bits(params["adamw"])), rule
    assert not torch.equal(params["adamw"][60:], start[60:])


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_at_eps_zero_a_coordinate_without_gradient_follows_the_rules_limit(
    rule: str, decay: float, tensors: bool
) -> None:
    p = parameter(np.array([2.0, -3.0, 1.0]))
    g = torch.tensor([0.0, -0.0, 1.0], dtype=torch.float64)
    kind = torch.tensor if tensors else float
    optimizer = OPTIMIZERS[rule]([p], lr=kind(0.01), eps=0.0, weight_decay=kind(decay))
    for _ in range(10):
        p.grad = g.clone()
        optimizer.step()
    dead, alive = p.detach()[:2], p.detach()[2]
    assert 0.2 < alive < 1
    start = torch.tensor([2.0, -3.0], dtype=torch.float64)
    if decay == 0 or rule == "adam_scaled_l2":  # its decay is in proportion to the gradients
        assert torch.equal(dead, start)
    elif rule == "adaml2":  # lambda x is its gradient: each step moves by lr towards 0
        torch.testing.assert_close(dead, start - 0.1 * start.sign(), atol=2e-3, rtol=0)
    elif rule == "adam_metric_prox":  # the limit D -> 0
        assert torch.equal(dead.abs(), torch.zeros(2, dtype=torch.float64))
    else:
        factor = 0.9**10 if rule == "adamw" else 1.1**-10
        torch.testing.assert_close(dead, start * factor, rtol=1e-6, atol=0)


@pytest.mark.parametrize("rule", RULES)
def test_a_second_moment_that_underflows_gives_direction_zero(rule: str) -> None:
    p = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = OPTIMIZERS[rule]([p], eps=0.0)
    p.grad = torch.tensor([1e-30, 1e-3])  # the square of the first is 0 in float32, its mean is not
    optimizer.step()
    assert optimizer.state[p]["exp_avg"][0] != 0 and optimizer.state[p]["exp_avg_sq"][0] == 0
    torch.testing.assert_close(p.detach(), torch.tensor([1.0, 0.999]))


@pytest.mark.parametrize("rule", RULES)
def test_an_infinite_second_moment_stops_the_coordinate(rule: str) -> None:
    p = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = OPTIMIZERS[rule]([p], weight_decay=0.0)
    p.grad = torch.tensor([1e25])
    optimizer.step()
    assert torch.isinf(optimizer.state[p]["exp_avg_sq"]).all() and p.item() == 1.0


@pytest.mark.parametrize("rule", RULES)
def test_a_list_of_layers_equals_one_flat_tensor_bit_for_bit(rule: str) -> None:
    generator = torch.Generator().manual_seed(6)
    shapes = [(3, 5), (7,), (2, 3, 3, 3), (), (33,)]
    layers = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    flat = torch.nn.Parameter(torch.cat([layer.detach().reshape(-1) for layer in layers]))
    many = OPTIMIZERS[rule](layers, lr=1e-2, weight_decay=0.1)
    one = OPTIMIZERS[rule]([flat], lr=1e-2, weight_decay=0.1)
    for i in range(50):
        for optimizer in (many, one):
            optimizer.param_groups[0]["lr"] = 1e-2 / (1 + i)
        for layer in layers:
            layer.grad = torch.randn(layer.shape, generator=generator)
        flat.grad = torch.cat([layer.grad.reshape(-1) for layer in layers if layer.grad is not None])
        many.step()
        one.step()
    assert torch.equal(bits(flat), bits(torch.cat([layer.reshape(-1) for layer in layers])))


def test_the_first_step_of_float32_parameters_is_accurate() -> None:
    """With a float32 counter 1 - 0.999^1 would be off by 6e-5, and the step by 3e-5."""
    p = torch.nn.Parameter(torch.zeros(1000))
    p.grad = torch.linspace(0.1, 10, 1000)
    AdamW([p], lr=1.0).step()
    torch.testing.assert_close(p.detach(), -torch.ones(1000), rtol=5e-7, atol=0)
