"""Optimizers built and fed alike, to be compared bit for bit."""

from collections.abc import Callable
from typing import Any

import torch

from optim.reference import OPTIMIZERS, bits

SHAPES = [(4, 3), (6,), (1,)]


def build(rule: str, dtype: torch.dtype = torch.float32, **settings: Any) -> torch.optim.Optimizer:
    """An optimizer of this rule over parameters that are the same in every call."""
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in SHAPES]
    return OPTIMIZERS[rule](params, **{"lr": 1e-2, "weight_decay": 0.1, **settings})


def params_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def feed(optimizer: torch.optim.Optimizer, steps: int, seed: int, call: Callable[[], Any] | None = None) -> None:
    """Takes steps on gradients that depend only on the seed and the step."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in params_of(optimizer):
            p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        (call or optimizer.step)()


def assert_same(a: torch.optim.Optimizer, b: torch.optim.Optimizer) -> None:
    for p, q in zip(params_of(a), params_of(b), strict=True):
        assert torch.equal(bits(p), bits(q))
        assert a.state[p].keys() == b.state[q].keys()
        for key in a.state[p]:
            assert torch.equal(bits(a.state[p][key]), bits(b.state[q][key]))
