"""conv3x3.c as a differentiable operation, and its place in a network."""

import ctypes
import functools
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from scalefree.models.resnet import BasicBlock
from scalefree.training.native.compiled import Shape, library

# Channels come in multiples of what conv3x3.c calls LANES.
LANES = 8
# Multiplications of a call up to which torch's costs more than ours: chosen by timing single calls on one core.
# `make benchmark` shows what it brings for small images.
FEW = 25_000_000


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


@functools.lru_cache(maxsize=256)
def _sizes(images: int, height: int, width: int, inputs: int, outputs: int) -> tuple[Shape, int, int]:
    """The sizes as C has them, their address, and how many floats of scratch they need."""
    functions = library()
    assert functions is not None
    shape = Shape(images, height, width, inputs, outputs)
    return shape, ctypes.addressof(shape), functions.conv3x3_scratch(ctypes.addressof(shape))


def _sizes_of(x: Tensor, weight: Tensor) -> tuple[Shape, int, int]:
    images, inputs, height, width = x.shape
    return _sizes(images, height, width, inputs, weight.shape[0])


def _dense(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class _Conv3x3(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, residual: Tensor | None, relu: bool) -> Tensor:
        functions = library()
        assert functions is not None
        x, weight, residual = _dense(x), _dense(weight), None if residual is None else _dense(residual)
        shape_of_y = (len(x), len(weight), *x.shape[2:])
        y = torch.empty(shape_of_y, dtype=x.dtype, memory_format=torch.channels_last)
        _, shape, floats = _sizes_of(x, weight)
        scratch = x.new_empty(floats)
        functions.conv3x3_forward(
            shape,
            x.data_ptr(),
            weight.data_ptr(),
            _address(residual),
            relu,
            y.data_ptr(),
            scratch.data_ptr(),
        )
        ctx.save_for_backward(x, weight, y if relu else None)
        ctx.has_residual = residual is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        functions = library()
        assert functions is not None
        x, weight, y = ctx.saved_tensors
        dy = _dense(dy)
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        dweight = torch.empty_like(weight)
        dresidual = torch.empty_like(dy) if ctx.has_residual and y is not None else None
        _, shape, floats = _sizes_of(x, weight)
        scratch = x.new_empty(floats)
        functions.conv3x3_backward(
            shape,
            x.data_ptr(),
            weight.data_ptr(),
            _address(y),
            dy.data_ptr(),
            _address(dx),
            dweight.data_ptr(),
            _address(dresidual),
            scratch.data_ptr(),
        )
        return dx, dweight, dy if ctx.has_residual and y is None else dresidual, None


def conv3x3(x: Tensor, weight: Tensor, residual: Tensor | None = None, relu: bool = False) -> Tensor:
    """[relu](conv(x, weight) + [residual]): stride 1, one pixel of zero padding, no bias, float32 on a CPU, one thread.

    Args:
        x: (B, c, H, W), copied if its channels are not innermost in memory.
        weight: (k, c, 3, 3); c and k are multiples of LANES.
        residual: (B, k, H, W).

    Returns (B, k, H, W) with the channels innermost. `library()` must not be None.

    Raises:
        ValueError: another dtype, device or shape; C would read what is not there.
    """
    given = [x, weight] if residual is None else [x, weight, residual]
    if not all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in given):
        raise ValueError("conv3x3 takes float32 on a CPU: use torch's convolution for other tensors")
    images, inputs, height, width = x.shape
    outputs = len(weight)
    if weight.shape[1:] != (inputs, 3, 3) or inputs % LANES or outputs % LANES:
        raise ValueError(f"weight of shape {tuple(weight.shape)} for {inputs} channels: see conv3x3's docstring")
    if residual is not None and residual.shape != (images, outputs, height, width):
        raise ValueError(f"residual of shape {tuple(residual.shape)}, not {(images, outputs, height, width)}")
    y: Tensor = _Conv3x3.apply(x, weight, residual, relu)
    return y


def _suits(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    whole = conv.in_channels % LANES == 0 and conv.out_channels % LANES == 0
    return whole and conv.bias is None and shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")


def _convolve(conv: nn.Conv2d, x: Tensor, residual: Tensor | None = None, relu: bool = False) -> Tensor:
    """[relu](conv(x) + [residual]) by whichever way is the faster one for these sizes.

    torch's kernels take 16 channels at a time where registers are that wide, so 8 channels are few at any size.
    """
    few = conv.in_channels < 2 * LANES or 9 * x.numel() * conv.out_channels < FEW
    if few and _suits(conv) and x.dtype == torch.float32:
        return conv3x3(x, conv.weight, residual, relu)
    y = nn.Conv2d.forward(conv, x)
    y = y if residual is None else y.add_(residual)
    return F.relu(y, inplace=True) if relu else y


def _block(block: BasicBlock, x: Tensor) -> Tensor:
    """`BasicBlock.forward` without BatchNorm, its sums and ReLUs part of the convolutions."""
    y = _convolve(block.conv1, x, relu=True)
    return _convolve(block.conv2, y, block.shortcut(x), relu=True)


def use_native_convolutions(model: nn.Module) -> bool:
    """Let a network compute its small 3x3 convolutions with conv3x3.c, the same sums in another order.

    Returns whether it does: not without a C compiler, nor if no layer suits.
    """
    suited = [module for module in model.modules() if isinstance(module, nn.Conv2d) and _suits(module)]
    if not suited or library() is None:
        return False
    for convolution in suited:
        convolution.forward = MethodType(_convolve, convolution)  # type: ignore[method-assign]
    for block in model.modules():
        if type(block) is BasicBlock and isinstance(block.norm1, nn.Identity):
            block.forward = MethodType(_block, block)  # type: ignore[method-assign]
    return True
