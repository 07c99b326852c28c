"""The dimensionless schedule eta in [0, 1], constant within an epoch, and how it is applied to an optimizer."""

import math

import torch
from torch import Tensor


def constant(epoch: int, epochs: int) -> float:
    """eta = 1: the paper's main protocol."""
    return 1.0


def cosine(epoch: int, epochs: int) -> float:
    """eta = (1 + cos(pi epoch / epochs)) / 2 for epoch = 0 .. epochs - 1 (authors' per-epoch option)."""
    return (1 + math.cos(math.pi * epoch / epochs)) / 2


SCHEDULES = {"constant": constant, "cosine": cosine}


@torch.no_grad()
def set_eta(optimizer: torch.optim.Optimizer, eta: float) -> None:
    """lr <- eta * initial_lr in every group; in place if lr is a tensor, for captured steps."""
    for group in optimizer.param_groups:
        lr = group["initial_lr"] * eta
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
