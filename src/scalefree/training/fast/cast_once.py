"""bfloat16 with one cast per step: autocast casts every weight by itself, and every weight's gradient back."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from scalefree.training.fast.flat import FlatParameters


class CastOnce:
    """A model whose convolutions and linear layers use bfloat16 copies of their parameters, made by one operation.

    Called under autocast, it computes bit for bit what the model does: autocast would make the same copies. Their
    gradients are bfloat16 and are converted when `FlatParameters` gathers them, which is also what autocast does.
    """

    def __init__(self, model: nn.Module, flat: FlatParameters) -> None:
        self.model = model
        self.flat = flat
        self.copy = torch.empty_like(flat.vector.data, dtype=torch.bfloat16)
        modules = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
        used = {
            f"{name}.{own}" for name, module in modules.items() for own, _ in module.named_parameters(recurse=False)
        }
        self.cast: dict[str, Tensor] = {
            name: nn.Parameter(view) for name, view in flat.by_name(self.copy).items() if name in used
        }
        flat.leaves = [self.cast.get(name, p) for name, p in model.named_parameters()]

    def __call__(self, x: Tensor) -> Tensor:
        """The model's forward pass with its current weights."""
        with torch.no_grad():
            self.copy.copy_(self.flat.vector)
        logits: Tensor = functional_call(self.model, self.cast, (x,))
        return logits
