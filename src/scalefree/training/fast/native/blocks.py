"""A row of residual blocks as one differentiable operation: the same calls of conv3x3.c with nothing in between."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scalefree.training.fast.native.compiled import library
from scalefree.training.fast.native.convolution import dense, sizes_of


class _Blocks(torch.autograd.Function):
    """y <- relu(conv(relu(conv(x, a)), b) + x) for each pair of weights (a, b) in turn."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        functions = library()
        assert functions is not None
        x, weights = dense(x), tuple(dense(weight) for weight in weights)
        _, shape, floats = sizes_of(x, weights[0])
        scratch = x.new_empty(floats)
        # The outputs of all convolutions, which the backward pass needs.
        made = [torch.empty_like(x) for _ in weights]
        inner, block = x.data_ptr(), x.data_ptr()
        for place, (weight, y) in enumerate(zip(weights, made, strict=True)):
            residual = block if place % 2 else None
            functions.conv3x3_forward(shape, inner, weight.data_ptr(), residual, True, y.data_ptr(), scratch.data_ptr())
            inner = y.data_ptr()
            block = inner if place % 2 else block
        ctx.save_for_backward(x, *weights, *made)
        return made[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        functions = library()
        assert functions is not None
        x, *saved = ctx.saved_tensors
        weights, made = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        _, shape, floats = sizes_of(x, weights[0])
        scratch = x.new_empty(floats)
        dweights = [torch.empty_like(weight) for weight in weights]
        dy = dense(dy)
        inner, residual = torch.empty_like(x), torch.empty_like(x)
        for place in range(len(weights) - 2, -1, -2):
            before = made[place - 1] if place else x
            dx = torch.empty_like(x) if place or ctx.needs_input_grad[0] else None
            for source, weight, y, gradient, to, dweight, skip in (
                (made[place], weights[place + 1], made[place + 1], dy, inner, dweights[place + 1], residual),
                (before, weights[place], made[place], inner, dx, dweights[place], None),
            ):
                functions.conv3x3_backward(
                    shape,
                    source.data_ptr(),
                    weight.data_ptr(),
                    y.data_ptr(),
                    gradient.data_ptr(),
                    None if to is None else to.data_ptr(),
                    dweight.data_ptr(),
                    None if skip is None else skip.data_ptr(),
                    scratch.data_ptr(),
                )
            if dx is None:
                return None, *dweights
            dy = dx.add_(residual)
        return dy, *dweights


def residual_blocks(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Blocks of two convolutions without BatchNorm, each x <- relu(conv(relu(conv(x, a)), b) + x), float32 on a CPU.

    Output and gradients are bit for bit those of `conv3x3` applied block by block.

    Args:
        x: (B, c, H, W).
        weights: a and b of each block in turn, (c, c, 3, 3); c is a multiple of LANES.
    """
    y: Tensor = _Blocks.apply(x, *weights)
    return y
