"""Probes that give each layer of a network its own constant. A layer is one parameter tensor."""

import torch
from torch import Tensor

from scalefree.seeds import generator

# Fixed, so that a layer has the same constant in every run.
SEED = 2022


def layer_factors(decades: float, layers: int, purpose: str) -> list[float]:
    """c_k of each layer: evenly spaced in the logarithm from 10^-decades to 10^decades, in a fixed random order.

    `purpose` names what the constants multiply; each purpose has its own order.
    """
    exponents = torch.linspace(-decades, decades, layers, dtype=torch.float64)
    order = torch.randperm(layers, generator=generator(SEED, f"unbalanced {purpose}"))
    return [float(10**exponent) for exponent in exponents[order]]


class GradientMultipliers:
    """Multiplies every layer's gradient by its constant: a loss multiplier that differs from layer to layer."""

    def __init__(self, parameters: list[torch.nn.Parameter], decades: float) -> None:
        self.parameters = parameters
        self.factors = layer_factors(decades, len(parameters), "gradients")

    def __call__(self) -> None:
        """Multiply the gradients left by the backward pass."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        torch._foreach_mul_(gradients, self.factors)


class LossSecondMoment:
    """u, the second moment of the loss gradient alone, for optimizers that mix their decay into their own moments.

    Attributes:
        u: a list of tensors shaped like the parameters.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], beta2: float) -> None:
        self.parameters = parameters
        self.beta2 = beta2
        self.u: list[Tensor] = [torch.zeros_like(p) for p in parameters]

    def __call__(self) -> None:
        """u <- beta2 u + (1 - beta2) g^2."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        torch._foreach_mul_(self.u, self.beta2)
        torch._foreach_addcmul_(self.u, gradients, gradients, value=1 - self.beta2)
