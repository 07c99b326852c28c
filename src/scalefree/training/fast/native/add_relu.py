"""Use of add_relu.cu in a network: rows of residual blocks without BatchNorm, around torch's own convolutions.

A block without BatchNorm is bound by memory. The sum and the ReLU at its end read and write five activations when they
are two operations, and three as one; so do the sum of two gradients and the mask of the block before: six, or four.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MethodType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from scalefree.models.resnet import BasicBlock, ResNet
from scalefree.training.fast.native.device_code import DeviceCode, DeviceError, Launch, warn_unusable
from scalefree.training.fast.native.network import is_plain, row_weights

SOURCE = Path(__file__).with_name("add_relu.cu")
# Numbers per thread, as in add_relu.cu, and threads per block.
EACH, THREADS = 4, 256


def _have_one_layout(*tensors: Tensor) -> bool:
    return len({tensor.stride() for tensor in tensors}) == 1 and all(tensor.data_ptr() % 16 == 0 for tensor in tensors)


class Sums:
    """The two kernels on whole tensors; torch's operations where these differ in their layout."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch

    def _start(self, name: str, *tensors: Tensor) -> None:
        size = tensors[0].numel()
        self.launch(name, math.ceil(size / (EACH * THREADS)), THREADS, 0, *tensors, size)

    def add_relu(self, y: Tensor, x: Tensor) -> Tensor:
        """relu(y + x), in the place of y."""
        if not _have_one_layout(y, x):
            return y.add_(x).relu_()
        self._start("add_relu", y, x)
        return y

    def add_mask(self, dx: Tensor, skip: Tensor, y: Tensor) -> Tensor:
        """dx + skip where the output y of a ReLU is above 0, elsewhere 0; may take the place of dx."""
        if not _have_one_layout(dx, skip, y):
            return _mask(dx.add_(skip), y)
        self._start("add_mask", dx, skip, y)
        return dx


def _convolve(x: Tensor, weight: Tensor) -> Tensor:
    return torch.conv2d(x, weight, padding=1)


def _backward(dy: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of a convolution with respect to its input and its weight."""
    arguments = (None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, False])
    dx, dweight, _ = torch.ops.aten.convolution_backward(dy, x, weight, *arguments)
    return dx, dweight


def _mask(dy: Tensor, y: Tensor) -> Tensor:
    masked: Tensor = torch.ops.aten.threshold_backward(dy, y, 0)
    return masked


class _Row(torch.autograd.Function):
    """x <- relu(conv(relu(conv(x, a)), b) + x) for each pair of weights (a, b) in turn."""

    @staticmethod
    def forward(ctx: Any, sums: Sums, keep: bool, x: Tensor, *weights: Tensor) -> Tensor:
        made = [x]
        for a, b in zip(weights[::2], weights[1::2], strict=True):
            h = _convolve(x, a).relu_()
            x = sums.add_relu(_convolve(h, b), x)
            made += [h, x] if keep else []
        if keep:
            ctx.sums = sums
            ctx.save_for_backward(*weights, *made)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        layers = len(saved) // 2
        weights, made = saved[:layers], saved[layers:]
        dweights: list[Tensor] = []
        dy = _mask(dy, made[-1])
        for place in range(layers - 2, -1, -2):
            x, h = made[place], made[place + 1]
            dh, db = _backward(dy, h, weights[place + 1])
            dx, da = _backward(_mask(dh, h), x, weights[place])
            dweights += [db, da]
            # The mask of the first block's input belongs to whatever made that.
            dy = ctx.sums.add_mask(dx, dy, x) if place else dx.add_(dy)
        return None, None, dy, *reversed(dweights)


def use_fused_sums(model: nn.Module, launcher: Callable[[str, dict[str, int]], Launch] | None = None) -> bool:
    """Let a network on CUDA compute each stage's blocks after the first with add_relu.cu, in float32.

    Returns whether it does; it does not if there are no such blocks or the device is unsuitable, which is logged.

    Args:
        launcher: compiles the kernels; by default for the model's device.
    """
    if type(model) is not ResNet:
        return False
    of_all = (model.stage1, model.stage2, model.stage3)
    stages = [stage for stage in of_all if len(stage) > 1 and all(map(is_plain, stage))]
    if not stages:
        return False
    device = next(model.parameters()).device
    make = launcher or (lambda source, shared: DeviceCode(source, shared, device))
    try:
        sums = Sums(make(SOURCE.read_text(), {"add_relu": 0, "add_mask": 0}))
    except DeviceError as error:
        warn_unusable(SOURCE, error, "torch's sums and ReLUs")
        return False

    def forward(stage: nn.Sequential, x: Tensor) -> Tensor:
        """`Sequential.forward`."""
        if x.dtype != torch.float32:
            y: Tensor = nn.Sequential.forward(stage, x)  # type: ignore[no-untyped-call]
            return y
        first, *others = cast("Iterable[BasicBlock]", stage)
        y = _Row.apply(sums, torch.is_grad_enabled(), first(x), *row_weights(others))
        return y

    for stage in stages:
        stage.forward = MethodType(forward, stage)  # type: ignore[method-assign]
    return True
