"""The rules in float64 NumPy, equation by equation, written independently of the package."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from scalefree.optim import RULES as OPTIMIZERS

# The five rules compared here; a new rule brings its own equation and its own test.
PAPERS = ("adaml2", "adamw", "adamprox", "adam_metric_prox", "adam_scaled_l2")
RULES = [rule for rule in OPTIMIZERS if rule in PAPERS]

Array = NDArray[np.float64]


@dataclass
class Reference:
    """One parameter's iterates; `step` takes the gradient and the schedule's value."""

    rule: str
    x: Array
    alpha: float = 1e-3
    decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    t: int = 0
    p: Array = field(init=False)

    def __post_init__(self) -> None:
        self.m = np.zeros_like(self.x)
        self.v = np.zeros_like(self.x)
        self.u = np.zeros_like(self.x)

    def step(self, g: Array, eta: float) -> None:
        self.t += 1
        if self.rule == "adaml2":
            g = g + self.decay * self.x
        elif self.rule == "adam_scaled_l2":
            self.u = self.beta2 * self.u + (1 - self.beta2) * g * g
            u_hat = self.u / (1 - self.beta2**self.t)
            g = g + self.decay / self.alpha * np.sqrt(u_hat) * self.x
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        metric = np.sqrt(v_hat) + self.eps
        self.p = np.where(metric > 0, m_hat / np.where(metric > 0, metric, 1.0), 0.0)
        moved = self.x - eta * self.alpha * self.p
        if self.rule in ("adaml2", "adam_scaled_l2"):
            self.x = moved
        elif self.rule == "adamw":
            self.x = moved - self.decay * eta * self.x
        elif self.rule == "adamprox":
            self.x = moved / (1 + self.decay * eta)
        else:
            cost = eta * self.alpha * self.decay
            shrunk = metric * moved / np.where(metric + cost > 0, metric + cost, 1.0)
            self.x = np.where(metric + cost > 0, shrunk, moved)


def parameter(values: Array, dtype: torch.dtype = torch.float64) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values, dtype=dtype))


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor's bit pattern, in which +0 and -0 differ and a NaN equals itself."""
    integer = {8: torch.int64, 4: torch.int32, 2: torch.int16}[tensor.element_size()]
    return tensor.detach().contiguous().view(integer)
