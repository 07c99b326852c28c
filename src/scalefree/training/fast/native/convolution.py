"""conv3x3.c as a differentiable operation."""

import ctypes
import functools
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scalefree.training.fast.native.compiled import Shape, library

# Channels must be multiples of this, as in conv3x3.c.
LANES = 8


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


@functools.lru_cache(maxsize=256)
def _sizes(images: int, height: int, width: int, inputs: int, outputs: int) -> tuple[Shape, int, int]:
    """The sizes as a C struct, its address, and the number of floats of scratch memory needed."""
    functions = library()
    assert functions is not None
    shape = Shape(images, height, width, inputs, outputs)
    return shape, ctypes.addressof(shape), functions.conv3x3_scratch(ctypes.addressof(shape))


def sizes_of(x: Tensor, weight: Tensor) -> tuple[Shape, int, int]:
    """A convolution's sizes as a C struct, its address, and the number of floats of scratch memory needed."""
    images, inputs, height, width = x.shape
    return _sizes(images, height, width, inputs, weight.shape[0])


def dense(x: Tensor) -> Tensor:
    """The tensor in channels_last, as conv3x3.c expects it; copied only if necessary."""
    return x.contiguous(memory_format=torch.channels_last)


class _Conv3x3(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, residual: Tensor | None, relu: bool) -> Tensor:
        functions = library()
        assert functions is not None
        x, weight, residual = dense(x), dense(weight), None if residual is None else dense(residual)
        shape_of_y = (len(x), len(weight), *x.shape[2:])
        y = torch.empty(shape_of_y, dtype=x.dtype, memory_format=torch.channels_last)
        _, shape, floats = sizes_of(x, weight)
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
        dy = dense(dy)
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        dweight = torch.empty_like(weight)
        dresidual = torch.empty_like(dy) if ctx.has_residual and y is not None else None
        _, shape, floats = sizes_of(x, weight)
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
        x: (B, c, H, W), copied if it is not channels_last.
        weight: (k, c, 3, 3); c and k are multiples of LANES.
        residual: (B, k, H, W).

    Returns (B, k, H, W) in channels_last. `library()` must not be None.

    Raises:
        ValueError: an unexpected dtype, device or shape, for which the C code would read out of bounds.
    """
    given = [x, weight] if residual is None else [x, weight, residual]
    if not all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in given):
        raise ValueError("conv3x3 takes float32 on a CPU; use torch's convolution for other tensors")
    images, inputs, height, width = x.shape
    outputs = len(weight)
    if weight.shape[1:] != (inputs, 3, 3) or inputs % LANES or outputs % LANES:
        raise ValueError(f"weight of shape {tuple(weight.shape)} for {inputs} channels: see conv3x3's docstring")
    if residual is not None and residual.shape != (images, outputs, height, width):
        raise ValueError(f"residual of shape {tuple(residual.shape)}, not {(images, outputs, height, width)}")
    y: Tensor = _Conv3x3.apply(x, weight, residual, relu)
    return y
