"""The per-epoch schedules, and our optimizers under torch's own schedulers."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as ls
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from optim.reference import OPTIMIZERS, RULES
from scalefree.optim import AdamL2, AdamProx, AdamW
from scalefree.optim.schedules import constant, cosine, set_eta


def test_schedules_have_these_values() -> None:
    assert [constant(epoch, 5) for epoch in range(5)] == [1.0] * 5
    assert cosine(0, 300) == 1.0
    assert cosine(150, 300) == pytest.approx(0.5)
    assert cosine(299, 300) == pytest.approx(math.sin(math.pi / 600) ** 2)


@pytest.mark.parametrize("tensor", [False, True])
def test_cosine_equals_torchs_scheduler(tensor: bool) -> None:
    def optimizer() -> AdamW:
        lr = torch.tensor(3e-3, dtype=torch.float64) if tensor else 3e-3
        p, q = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
        return AdamW([{"params": p}, {"params": q, "lr": 5e-4}], lr=lr)

    ours, theirs = optimizer(), optimizer()
    scheduler = CosineAnnealingLR(theirs, T_max=50)
    handle = ours.param_groups[0]["lr"]
    for epoch in range(50):
        set_eta(ours, cosine(epoch, 50))
        for a, b in zip(ours.param_groups, theirs.param_groups, strict=True):
            assert float(a["lr"]) == pytest.approx(float(b["lr"]), rel=1e-12)
        theirs.step()
        scheduler.step()
    assert [float(group["initial_lr"]) for group in ours.param_groups] == [3e-3, 5e-4]
    assert [float(group["initial_lr"]) for group in theirs.param_groups] == [3e-3, 5e-4]
    assert (ours.param_groups[0]["lr"] is handle) == tensor  # updated in place if it is a tensor


@pytest.mark.parametrize("rule", RULES)
def test_a_torch_scheduler_trains_like_set_eta(rule: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.nn.Parameter(torch.ones(10, dtype=torch.float64)) for _ in range(2))
    ours, theirs = (OPTIMIZERS[rule]([p], lr=1e-2, weight_decay=0.1) for p in (x, y))
    scheduler = LambdaLR(theirs, lambda epoch: cosine(epoch, 20))
    for epoch in range(20):
        set_eta(ours, cosine(epoch, 20))
        x.grad = torch.randn(10, generator=generator, dtype=torch.float64)
        y.grad = x.grad.clone()
        ours.step()
        theirs.step()
        scheduler.step()
    torch.testing.assert_close(x, y, rtol=1e-14, atol=0)


@pytest.mark.parametrize("eps", [1e-8, 0.0])
@pytest.mark.parametrize("rule", RULES)
def test_a_warm_up_from_zero_does_not_move_the_parameters(rule: str, eps: float) -> None:
    start = torch.tensor([1.0, -2.0, 3.0])
    p = torch.nn.Parameter(start.clone())
    optimizer = OPTIMIZERS[rule]([p], lr=1e-2, weight_decay=0.1, eps=eps)
    scheduler = LambdaLR(optimizer, lambda epoch: epoch / 10)
    assert optimizer.param_groups[0]["lr"] == 0 and optimizer.param_groups[0]["initial_lr"] == 1e-2
    for step in range(2):
        p.grad = torch.tensor([0.0, 1.0, -1.0])
        optimizer.step()
        assert torch.equal(p.detach(), start) == (step == 0)
        scheduler.step()


Scheduler = torch.optim.lr_scheduler.LRScheduler
SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "lambda": lambda o: ls.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "warm-up": lambda o: ls.LinearLR(o, 0.1, 1.0, 5),
    "multiplicative": lambda o: ls.MultiplicativeLR(o, lambda epoch: 0.9),
    "step": lambda o: ls.StepLR(o, 3),
    "several steps": lambda o: ls.MultiStepLR(o, [2, 5]),
    "constant": lambda o: ls.ConstantLR(o, 0.5, 4),
    "exponential": lambda o: ls.ExponentialLR(o, 0.8),
    "polynomial": lambda o: ls.PolynomialLR(o, 12),
    "cosine": lambda o: ls.CosineAnnealingLR(o, 7),
    "warm restarts": lambda o: ls.CosineAnnealingWarmRestarts(o, 4),
    "cyclic": lambda o: ls.CyclicLR(o, 1e-3, 1e-2, 4, cycle_momentum=False),
    "cyclic betas": lambda o: ls.CyclicLR(o, 1e-3, 1e-2, 4),
    "one cycle": lambda o: ls.OneCycleLR(o, 1e-2, total_steps=13),
    "sequential": lambda o: ls.SequentialLR(o, [ls.LinearLR(o, 0.1), ls.ExponentialLR(o, 0.9)], [4]),
    "chained": lambda o: ls.ChainedScheduler([ls.LinearLR(o, 0.5), ls.ExponentialLR(o, 0.9)]),
    "by hand": lambda o: by_hand(o, 1e-3),
}


def by_hand(optimizer: torch.optim.Optimizer, lr: float) -> Scheduler:
    for group in optimizer.param_groups:
        group["lr"] = lr
    return ls.LambdaLR(optimizer, lambda epoch: 1.0)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_adam_l2_equals_torchs_adam_under_every_scheduler(name: str) -> None:
    x, y = (torch.nn.Parameter(torch.linspace(-1, 1, 10, dtype=torch.float64)) for _ in range(2))
    ours = AdamL2([x], lr=1e-2, weight_decay=0.1)
    theirs = torch.optim.Adam([y], lr=1e-2, weight_decay=0.1)
    schedulers = [SCHEDULERS[name](optimizer) for optimizer in (ours, theirs)]
    generator = torch.Generator().manual_seed(0)
    for _ in range(12):
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-14)
        assert ours.param_groups[0]["betas"] == theirs.param_groups[0]["betas"]
        x.grad = torch.randn(10, generator=generator, dtype=torch.float64)
        y.grad = x.grad.clone()
        for optimizer, scheduler in zip((ours, theirs), schedulers, strict=True):
            optimizer.step()
            scheduler.step()
    torch.testing.assert_close(x, y, rtol=1e-11, atol=1e-13)
    assert ours.param_groups[0]["initial_lr"] == theirs.param_groups[0]["initial_lr"]


@pytest.mark.parametrize("optimizer_class", [AdamW, AdamProx])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_decay_is_lambda_eta_with_eta_in_0_to_1_or_refused(name: str, optimizer_class: type[AdamW | AdamProx]) -> None:
    """A weight without a gradient shrinks by lambda lr / alpha per step, alpha being the schedule's largest lr."""
    p = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = optimizer_class([p], lr=1e-2, weight_decay=0.1)
    scheduler = SCHEDULERS[name](optimizer)
    if name.startswith("cyclic"):  # whose initial_lr is its smallest
        with pytest.raises(ValueError, match=r"lr=0\.00325 is above alpha=0\.001.*set group\['initial_lr'\]"):
            for _ in range(2):
                p.grad = torch.zeros(1, dtype=torch.float64)
                optimizer.step()
                scheduler.step()
        optimizer.param_groups[0]["initial_lr"] = 1e-2
    alpha = 1e-3 if name == "by hand" else 1e-2
    for _ in range(12):
        before, eta = p.item(), optimizer.param_groups[0]["lr"] / alpha
        p.grad = torch.zeros(1, dtype=torch.float64)
        optimizer.step()
        factor = 1 - 0.1 * eta if optimizer_class is AdamW else 1 / (1 + 0.1 * eta)
        assert 0 <= eta <= 1 + 1e-12 and p.item() == pytest.approx(before * factor, rel=1e-12)
        scheduler.step()


@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("lr", [-1e-3, float("nan"), float("inf"), 1.1e-2])
@pytest.mark.parametrize("optimizer_class", [AdamW, AdamProx])
def test_an_eta_outside_0_to_1_is_refused_even_as_a_tensor(
    optimizer_class: type[AdamW | AdamProx], lr: float, tensor: bool
) -> None:
    p = torch.nn.Parameter(torch.ones(2))
    p.grad = torch.ones(2)
    optimizer = optimizer_class([p], lr=torch.tensor(1e-2) if tensor else 1e-2, weight_decay=0.1)
    optimizer.step()
    before = p.detach().clone()
    optimizer.param_groups[0]["lr"] = torch.tensor(lr) if tensor else lr
    with pytest.raises(ValueError, match=r"eta = lr/alpha in \[0, 1\] is meaningless"):
        optimizer.step()
    assert torch.equal(p, before)
