"""All parameters of a model in one buffer, so that an optimizer step takes a few operations instead of hundreds."""

import torch
from torch import Tensor, nn


class FlatParameters:
    """The model's parameters as views of one vector, with a gradient of that vector.

    An element-wise optimizer computes the same numbers on the vector as on the list of layers. Convolution weights are
    stored in the order that the kernels need: (out, in, height, width), or (out, height, width, in) for channels_last.
    Afterwards the model must not be moved or cast.

    Attributes:
        memory_format: the memory format of the convolution weights.
        vector: the single parameter for an optimizer; `vector.grad` is always allocated.
        layers: the same memory as one parameter per tensor of the model, each with its part of the gradient, for
            optimizers that must distinguish layers.
        leaves: the tensors that the forward pass uses, one per parameter; they are the parameters, unless others take
            their place.
    """

    def __init__(self, model: nn.Module, memory_format: torch.memory_format = torch.channels_last) -> None:
        self.model = model
        self.memory_format = memory_format
        parameters = list(model.parameters())
        size = sum(p.numel() for p in parameters)
        self.vector = nn.Parameter(torch.empty(size, dtype=parameters[0].dtype, device=parameters[0].device))
        self.vector.grad = torch.zeros_like(self.vector)
        for p, view in zip(parameters, self._views(self.vector.data), strict=True):
            p.data = view.copy_(p.data)
        sizes = [p.numel() for p in parameters]
        self.layers = [nn.Parameter(part) for part in torch.split(self.vector.data, sizes)]
        for layer, gradient in zip(self.layers, torch.split(self.vector.grad, sizes), strict=True):
            layer.grad = gradient
        self.leaves: list[Tensor] = list(parameters)

    def _views(self, vector: Tensor) -> list[Tensor]:
        parameters = list(self.model.parameters())
        parts = torch.split(vector, [p.numel() for p in parameters])
        return [self._shaped(part, p.shape) for part, p in zip(parts, parameters, strict=True)]

    def gather_gradient(self) -> None:
        """Fill the vector's gradient with the leaves' gradients in one operation, and release those.

        Autograd assigns a layer's first gradient without a copy, which costs nothing; adding to an existing one would
        cost one operation per layer.
        """
        assert self.vector.grad is not None
        gradients = []
        for leaf in self.leaves:
            assert leaf.grad is not None, "a parameter did not contribute to the loss"
            gradients.append(leaf.grad)
            leaf.grad = None
        if any(gradient.dtype != self.vector.dtype for gradient in gradients):
            torch._foreach_copy_(self._views(self.vector.grad), gradients)
        else:
            torch.cat(list(map(self._in_order, gradients)), out=self.vector.grad)

    def by_name(self, vector: Tensor) -> dict[str, Tensor]:
        """A vector laid out like the parameters, as views by parameter name."""
        names = [name for name, _ in self.model.named_parameters()]
        return dict(zip(names, self._views(vector), strict=True))

    def _shaped(self, part: Tensor, shape: torch.Size) -> Tensor:
        """A part of a vector (numel,) as a view with the shape of its parameter."""
        if len(shape) == 4 and self.memory_format == torch.channels_last:
            outputs, inputs, height, width = shape
            return part.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
        return part.view(shape)

    def _in_order(self, parameter: Tensor) -> Tensor:
        """The inverse of `_shaped`: (numel,), a view if the memory format allows it."""
        if parameter.dim() == 4 and self.memory_format == torch.channels_last:
            parameter = parameter.permute(0, 2, 3, 1)
        return parameter.reshape(-1)
