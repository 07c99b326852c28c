"""Optimizers as others might write them: each has one oddity, described by its name."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Descent(Optimizer):
    """Plain gradient descent, the base of the others."""

    def __init__(self, params: Any, lr: float = 0.1, **others: Any) -> None:
        super().__init__(params, {"lr": lr, **others})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * self.direction(p, self.state[p]))

    def direction(self, p: Tensor, state: dict[str, Any]) -> Tensor:
        return p.grad


class KeepsDoublesAndIntegers(Descent):
    """State that torch's own loading would round to float32."""

    def direction(self, p: Tensor, state: dict[str, Any]) -> Tensor:
        state.setdefault("sum", torch.zeros_like(p, dtype=torch.float64)).add_(p.grad.double() / 3)
        state.setdefault("count", torch.tensor(2**24 - 1)).add_(1)
        return (state["sum"] * (1 + state["count"] % 2)).float()


class KeepsStateElsewhere(Descent):
    def direction(self, p: Tensor, state: dict[str, Any]) -> Tensor:
        hidden = self.__dict__.setdefault("hidden", {})
        hidden[p] = hidden.get(p, 0) + p.grad
        return hidden[p]


class DrawsAtRandom(Descent):
    def direction(self, p: Tensor, state: dict[str, Any]) -> Tensor:
        return p.grad + torch.randn_like(p)


class KeepsAnObject(Descent):
    def direction(self, p: Tensor, state: dict[str, Any]) -> Tensor:
        state["object"] = Descent
        return p.grad


class DropsUnknownArguments(Descent):
    def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.0, **others: Any) -> None:
        super().__init__(params, lr, weight_decay=weight_decay)


class DecaysBehindTheBack(Descent):
    def __init__(self, params: Any, lr: float = 0.1, **others: Any) -> None:
        super().__init__(params, lr, **{"weight_decay": 0.01, **others})


class HasNoLr(Descent):
    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, lr)
        for group in self.param_groups:
            del group["lr"]


class WantsItsModes(Descent):
    def train(self) -> None: ...

    def eval(self) -> None: ...


class RaisesInItsSecondStep(Descent):
    def direction(self, p: Tensor, state: dict[str, Any]) -> Tensor:
        if state:
            raise RuntimeError("one step\nis enough")
        state["step"] = torch.tensor(1.0)
        return p.grad


def not_a_class(params: Any, lr: float) -> Optimizer:
    raise AssertionError("only classes of optimizers are called")
