"""The per-epoch schedules, and the optimizers under torch's own schedulers."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from optim.reference import OPTIMIZERS, RULES
from scalefree.optim import AdamW
from scalefree.optim.schedules import constant, cosine, set_eta


def test_values() -> None:
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
    assert (ours.param_groups[0]["lr"] is handle) == tensor  # written in place if it is a tensor


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
def test_a_warm_up_from_zero_leaves_the_parameters_where_they_are(rule: str, eps: float) -> None:
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
