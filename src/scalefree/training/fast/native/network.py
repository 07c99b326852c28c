"""Use of conv3x3.c in a network: which of its convolutions it computes, and when."""

from collections.abc import Iterable
from types import MethodType
from typing import TypeGuard, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scalefree.models.resnet import BasicBlock
from scalefree.training.fast.native.blocks import residual_blocks
from scalefree.training.fast.native.compiled import library
from scalefree.training.fast.native.convolution import LANES, conv3x3

# Multiplications per call below which ours is faster than torch's, found by timing single calls on one core. `make
# benchmark` shows the gain for small images.
FEW = 25_000_000


def _suits(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    whole = conv.in_channels % LANES == 0 and conv.out_channels % LANES == 0
    return whole and conv.bias is None and shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")


def _is_few(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether ours is faster for these sizes.

    torch's kernels take 16 channels at a time on machines with wide registers, so ours is always used for 8 channels.
    """
    return conv.in_channels < 2 * LANES or 9 * x.numel() * conv.out_channels < FEW


def _convolve(conv: nn.Conv2d, x: Tensor, residual: Tensor | None = None, relu: bool = False) -> Tensor:
    """[relu](conv(x) + [residual]), computed in whichever way is faster for these sizes."""
    if _suits(conv) and x.dtype == torch.float32 and _is_few(conv, x):
        return conv3x3(x, conv.weight, residual, relu)
    y = nn.Conv2d.forward(conv, x)
    y = y if residual is None else y.add_(residual)
    return F.relu(y, inplace=True) if relu else y


def _block(block: BasicBlock, x: Tensor) -> Tensor:
    """`BasicBlock.forward` without BatchNorm, with sums and ReLUs merged into the convolutions."""
    y = _convolve(block.conv1, x, relu=True)
    return _convolve(block.conv2, y, block.shortcut(x), relu=True)


def row_weights(blocks: Iterable[BasicBlock]) -> list[Tensor]:
    """The weights of both convolutions of each block in turn."""
    return [conv.weight for block in blocks for conv in (block.conv1, block.conv2)]


def _stage(stage: nn.Sequential, x: Tensor) -> Tensor:
    """`Sequential.forward`, with all blocks after the first as one operation if they are trained and small."""
    first, *others = cast("Iterable[BasicBlock]", stage)
    x = first(x)
    if others and torch.is_grad_enabled() and x.dtype == torch.float32 and _is_few(others[0].conv1, x):
        return residual_blocks(x, row_weights(others))
    for block in others:
        x = block(x)
    return x


def is_plain(block: nn.Module) -> TypeGuard[BasicBlock]:
    """Whether a block is two convolutions and a sum, without BatchNorm and without Fixup's scalars."""
    return type(block) is BasicBlock and isinstance(block.norm1, nn.Identity)


def use_native_convolutions(model: nn.Module) -> bool:
    """Let a network compute its small 3x3 convolutions with conv3x3.c: the same sums in another order.

    Returns whether it does; it does not without a C compiler, or if no layer is suitable.
    """
    suited = [module for module in model.modules() if isinstance(module, nn.Conv2d) and _suits(module)]
    if not suited or library() is None:
        return False
    for convolution in suited:
        convolution.forward = MethodType(_convolve, convolution)  # type: ignore[method-assign]
    for module in model.modules():
        if is_plain(module):
            module.forward = MethodType(_block, module)  # type: ignore[method-assign]
        elif isinstance(module, nn.Sequential) and all(is_plain(block) and _suits(block.conv2) for block in module):
            module.forward = MethodType(_stage, module)  # type: ignore[method-assign]
    return True
