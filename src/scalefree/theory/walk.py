"""Step an optimizer over two float64 matrices, on gradients and losses of our choosing."""

import contextlib
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

# Matrices, because some optimizers refuse other shapes or treat them differently.
SHAPES = ((4, 5), (5, 4))
COORDINATES = sum(math.prod(shape) for shape in SHAPES)
_SIZES = [math.prod(shape) for shape in SHAPES]

MakeOptimizer = Callable[[list[Parameter]], Optimizer]
# Maps a point (40,) to the gradient (40,) and the loss.
Gradient = Callable[[Tensor], tuple[Tensor, Tensor]]


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed what an optimizer draws (from torch, NumPy or Python), and restore these random states afterwards."""
    numpys, pythons = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpys)
            random.setstate(pythons)


class Walk:
    """An optimizer over two matrices that together contain `start`, 40 numbers.

    Args:
        make_optimizer: called once with the list of the two.
        start: of shape (40,), float64.
        second_order: keep gradients differentiable, for optimizers that differentiate them again.

    Raises:
        TypeError: `make_optimizer` does not return a torch optimizer.
    """

    def __init__(self, make_optimizer: MakeOptimizer, start: Tensor, *, second_order: bool = False) -> None:
        parts = zip(torch.split(start, _SIZES), SHAPES, strict=True)
        self._params = [Parameter(part.reshape(shape).clone()) for part, shape in parts]
        self._second_order = second_order
        self._optimizer = make_optimizer(self._params)
        if not isinstance(self._optimizer, Optimizer):
            raise TypeError(f"make_optimizer returned {type(self._optimizer).__name__}, not a torch.optim.Optimizer")
        # Schedule-free optimizers show averaged iterates unless they are in training mode.
        train = getattr(self._optimizer, "train", None)
        if callable(train):
            train()

    def position(self) -> Tensor:
        """The current point, as a copy of shape (40,)."""
        return self._flat().detach().clone()

    def move_to(self, point: Tensor) -> None:
        """Move the parameters to a point without the optimizer's knowledge."""
        with torch.no_grad():
            for param, part in zip(self._params, torch.split(point, _SIZES), strict=True):
                param.copy_(part.reshape(param.shape))

    def set(self, **settings: Any) -> None:
        """Change settings of the optimizer's groups, as a scheduler does; keys that a group lacks are ignored."""
        for group in self._optimizer.param_groups:
            group.update({key: value for key, value in settings.items() if key in group})

    def step(self, gradient: Gradient) -> None:
        """Take one step. The gradient is set before it, and again whenever the optimizer calls its closure."""

        def closure() -> Tensor:
            with torch.enable_grad():
                point = self._flat() if self._second_order else self._flat().detach()
                value, loss = gradient(point)
                for param, part in zip(self._params, torch.split(value, _SIZES), strict=True):
                    param.grad = part.reshape(param.shape)
            return loss.detach()

        closure()
        self._optimizer.step(closure)  # type: ignore[arg-type]  # torch's own closures return floats or tensors

    def _flat(self) -> Tensor:
        return torch.cat([param.flatten() for param in self._params])
