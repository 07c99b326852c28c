"""BatchNorm for channels_last tensors on a CPU, computed in the layout whose sums are more accurate."""

from types import MethodType

import torch
from torch import Tensor, nn


def _exactly(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    if not norm.training:
        return nn.BatchNorm2d.forward(norm, x)
    return nn.BatchNorm2d.forward(norm, x.contiguous()).contiguous(memory_format=torch.channels_last)


def use_exact_batch_norm(model: nn.Module) -> None:
    """Let BatchNorm compute its statistics on contiguous copies.

    torch's CPU kernel for channels_last sums in float32 without pairing: the gradients of a ResNet-56 were five times
    further from float64 than with the other layout.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = MethodType(_exactly, module)  # type: ignore[method-assign]
