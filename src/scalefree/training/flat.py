"""All parameters of a model in one buffer, so that an optimizer step is a handful of operations and not hundreds."""

import torch
from torch import Tensor, nn


class FlatParameters:
    """The model's parameters as views of one vector, and their gradients as views of that vector's gradient.

    An element-wise optimizer computes exactly the same numbers on the vector as on the list of layers. After
    this the model must not be moved or cast; autograd accumulates into the gradients that are there, so they must be
    zeroed in place (`zero_grad` here), never set to None.

    Attributes:
        vector: the one parameter to give to an optimizer; `vector.grad` is always allocated.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        parameters = list(model.parameters())
        self.vector = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in parameters]))
        self.vector.grad = torch.zeros_like(self.vector)
        for p, value, grad in zip(
            parameters, self._views(self.vector.data), self._views(self.vector.grad), strict=True
        ):
            p.data = value
            p.grad = grad

    def _views(self, vector: Tensor) -> list[Tensor]:
        parameters = list(self.model.parameters())
        parts = torch.split(vector, [p.numel() for p in parameters])
        return [part.view(p.shape) for part, p in zip(parts, parameters, strict=True)]

    def zero_grad(self) -> None:
        """All gradients to zero, in place."""
        assert self.vector.grad is not None
        self.vector.grad.zero_()

    def by_name(self, vector: Tensor) -> dict[str, Tensor]:
        """A vector laid out like the parameters, as views by parameter name."""
        names = [name for name, _ in self.model.named_parameters()]
        return dict(zip(names, self._views(vector), strict=True))
