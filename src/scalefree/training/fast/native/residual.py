"""Use of residual.cu in a network: a ResNet without BatchNorm whose convolutions are a few kernels in each
direction.
"""

import math
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from scalefree.models.resnet import BasicBlock, ResNet
from scalefree.training.fast.native.device_code import DeviceCode, DeviceError, Launch, warn_unusable

SOURCE = Path(__file__).with_name("residual.cu")
# As in residual.cu: channels (and neighbouring pixels) per thread, and channels per unit of a weight's gradient.
OUTS, GROUP = 4, 8
# Desired and maximal number of threads in a thread block.
AIM, MOST = 128, 512
# Threads per block of the kernels that keep nothing in shared memory.
PLAIN = 256
# Bytes of shared memory available to a thread block, and floats that `first_backward_weight` uses of it.
SHARED, SUMS = 227 << 10, 8 * 9


def _is_power_of_2(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


class Sizes(NamedTuple):
    """A stage's sizes as defined in residual.cu: the images of its row of blocks, and its first convolution."""

    channels: int
    height: int
    width: int
    inputs: int
    stride: int

    @property
    def patches(self) -> int:
        """Groups of neighbouring pixels in a plane."""
        return self.height * self.width // next(across for across in (4, 2, 1) if self.width % across == 0)

    @property
    def images(self) -> int:
        """Images that a thread block computes at once."""
        return max(1, AIM // (self.patches * self.channels // OUTS))

    @property
    def threads(self) -> int:
        """Threads in a thread block of the row's kernels."""
        return self.images * self.patches * (self.channels // OUTS)

    @property
    def slices(self) -> int:
        """Partial sums of a weight's gradient per thread block."""
        return max(1, self.threads * GROUP // self.channels**2 // 32)

    def shared(self, buffers: int) -> int:
        """Bytes of shared memory for this many buffers of images and a layer's weights."""
        row = (self.width + 2 + 3) // 4 * 4
        rows = (self.height + 1) * row
        plane = rows if rows // 4 % 2 else rows + 4
        image = self.channels * plane + 4
        return 4 * (buffers * (self.images * image + row) + 9 * self.channels * (self.channels + 4))

    def fits(self) -> bool:
        """Whether residual.cu can compute it."""
        return (
            self.channels % GROUP == 0
            and all(map(_is_power_of_2, (self.channels, self.height, self.width)))
            and (self.stride == 1 or self.inputs % OUTS == 0)
            and self.threads % 32 == 0
            and self.threads <= MOST
            and self.shared(3) <= SHARED
        )

    def source(self) -> str:
        """The source code for these sizes."""
        given = {**self._asdict(), "images": self.images}
        return "".join(f"#define {name.upper()} {value}\n" for name, value in given.items()) + SOURCE.read_text()

    def most_shared(self) -> dict[str, int]:
        """The kernels, with the bytes of shared memory that each needs."""
        plain = dict.fromkeys(("first_forward", "sum_parts", *(["first_backward_image"] * (self.stride == 2))), 0)
        return {
            **plain,
            "first_backward_weight": 4 * SUMS,
            "row_forward": self.shared(2),
            "row_backward": self.shared(3),
        }


class Stage:
    """The kernels of one stage: a first convolution and a row of `layers` more.

    The weights of the row are contiguous in memory, and so are the gradients.
    """

    def __init__(self, sizes: Sizes, layers: int, launch: Launch) -> None:
        self.sizes = sizes
        self.layers = layers
        self.launch = launch
        self.first = 9 * sizes.inputs * sizes.channels  # weights of the first convolution, and
        self.row = 9 * sizes.channels**2 * layers  # of the row

    def _plain(self, name: str, threads: int, *arguments: Tensor | int) -> None:
        self.launch(name, math.ceil(threads / PLAIN), PLAIN, 0, *arguments)

    def _row(self, name: str, batch: int, *arguments: Tensor | int) -> None:
        blocks = math.ceil(batch / self.sizes.images)
        self.launch(name, blocks, self.sizes.threads, self.sizes.most_shared()[name], *arguments)

    def forward(self, image: Tensor, first: Tensor, row: Tensor, keep: bool) -> tuple[Tensor, Tensor]:
        """h, the output of the first convolution, and the outputs of the layers: of all, or only of the last one.

        Args:
            image: (B, inputs, stride H, stride W), contiguous.
            first: the weight of the first convolution.
            row: the weight of the row's first layer.

        Returns (B, c, H, W) and (layers or 1, B, c, H, W).
        """
        batch, plane = len(image), (self.sizes.channels, self.sizes.height, self.sizes.width)
        h = image.new_empty((batch, *plane))
        made = image.new_empty((self.layers if keep else 1, batch, *plane))
        self._plain("first_forward", h.numel() // GROUP, image, first, h, batch)
        self._row("row_forward", batch, h, image, row, made, h.numel() if keep else 0, batch, self.layers)
        return h, made

    def backward(
        self, image: Tensor, first: Tensor, row: Tensor, h: Tensor, made: Tensor, dy: Tensor, gradient: Tensor
    ) -> Tensor | None:
        """Fill the weights' gradient, (first + row,); returns the gradient with respect to the image if the stride is
        2.

        Args:
            dy: (B, c, H, W), contiguous. The others are as in `forward`.
        """
        batch, sizes = len(image), self.sizes
        rows = math.ceil(batch / sizes.images) * sizes.slices
        dh, shortcut, parts = torch.empty_like(h), torch.empty_like(h), h.new_empty(rows * self.row)
        self._row("row_backward", batch, h, row, made, dy, dh, shortcut, parts, h.numel(), batch, self.layers)
        self._plain("sum_parts", self.row, parts, gradient[self.first :], rows, self.row)
        blocks = sizes.channels * sizes.inputs
        self.launch("first_backward_weight", blocks, PLAIN, 4 * SUMS, image, dh, gradient, batch)
        if sizes.stride == 1:
            return None
        dx = torch.empty_like(image)
        self._plain("first_backward_image", dx.numel() // (4 * OUTS), dh, shortcut, first, dx, batch)
        return dx


class _Features(torch.autograd.Function):
    """From images to the last stage's output; the weights are the convolutions' in the network's order."""

    @staticmethod
    def forward(ctx: Any, stages: list[Stage], keep: bool, x: Tensor, *weights: Tensor) -> Tensor:
        x = x.contiguous()
        kept, place = [x], 0
        for stage in stages:
            h, made = stage.forward(x, weights[place], weights[place + 1], keep)
            x, place = made[-1], place + 1 + stage.layers
            kept += [h, made]
        if keep:
            ctx.stages = stages
            ctx.save_for_backward(*kept, *weights)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        stages: list[Stage] = ctx.stages
        saved = ctx.saved_tensors
        images, weights = saved[0], saved[1 + 2 * len(stages) :]
        gradient = dy.new_empty(sum(weight.numel() for weight in weights))
        end, place = gradient.numel(), len(weights)
        for number, stage in reversed(list(enumerate(stages))):
            begin, place = end - stage.first - stage.row, place - 1 - stage.layers
            h, made = saved[1 + 2 * number], saved[2 + 2 * number]
            image = saved[2 * number][-1] if number else images
            part = gradient[begin:end]
            found = stage.backward(image, weights[place], weights[place + 1], h, made, dy.contiguous(), part)
            end = begin
            if found is not None:
                dy = found
        parts = torch.split(gradient, [weight.numel() for weight in weights])
        return None, None, None, *(part.view(weight.shape) for part, weight in zip(parts, weights, strict=True))


def _convolutions(model: ResNet) -> list[Tensor]:
    return [module.weight for module in model.modules() if isinstance(module, nn.Conv2d)]


def _are_neighbours(weights: list[Tensor]) -> bool:
    """Whether the weights follow each other in memory without gaps, starting at an address aligned to four floats."""
    ends = [weight.data_ptr() + 4 * weight.numel() for weight in weights]
    return (
        all(weight.is_contiguous() and weight.dtype == torch.float32 for weight in weights)
        and all(weight.data_ptr() == end for weight, end in zip(weights[1:], ends, strict=False))
        and weights[0].data_ptr() % 16 == 0
    )


def stages_of(model: nn.Module, height: int, width: int) -> list[tuple[Sizes, int]]:
    """The sizes of a network's stages for images of this size, each with its number of layers after the first one.

    Empty if residual.cu cannot compute this network.
    """
    if type(model) is not ResNet or model.fixup or not isinstance(model.norm, nn.Identity):
        return []
    found, inputs = [], model.conv.in_channels
    for number, stage in enumerate((model.stage1, model.stage2, model.stage3)):
        blocks = [cast("BasicBlock", block) for block in stage]
        stride = 2 if number else 1
        if height % stride or width % stride:
            return []
        height, width = height // stride, width // stride
        sizes = Sizes(blocks[0].conv2.in_channels, height, width, inputs, stride)
        if not sizes.fits():
            return []
        found.append((sizes, 2 * len(blocks) - (stride == 2)))
        inputs = sizes.channels
    return found


def use_residual_kernels(
    model: nn.Module, height: int, width: int, launcher: Callable[[Sizes, torch.device], Launch] | None = None
) -> bool:
    """Let a network on CUDA compute all its convolutions with residual.cu for images of this size.

    The weights must be contiguous tensors that follow each other in memory: see `FlatParameters`. Returns whether it
    does; it does not if the network or the device is unsuitable, which is logged.

    Args:
        launcher: compiles the kernels of a stage; by default for the device.
    """
    wanted = stages_of(model, height, width)
    if not wanted:
        return False
    assert isinstance(model, ResNet)
    weights = _convolutions(model)
    if not _are_neighbours(weights):
        raise ValueError("residual.cu needs contiguous weights in one vector; create FlatParameters first")
    device = weights[0].device
    try:
        make = launcher or (lambda sizes, device: DeviceCode(sizes.source(), sizes.most_shared(), device))
        stages = [Stage(sizes, layers, make(sizes, device)) for sizes, layers in wanted]
    except DeviceError as error:
        warn_unusable(SOURCE, error, "torch's convolutions")
        return False

    def forward(model: ResNet, x: Tensor) -> Tensor:
        """`ResNet.forward`."""
        if x.shape[2:] != (height, width) or x.dtype != torch.float32:
            return ResNet.forward(model, x)
        y: Tensor = _Features.apply(stages, torch.is_grad_enabled(), x, *_convolutions(model))
        logits: Tensor = model.linear(F.avg_pool2d(y, y.shape[2:]).flatten(1))
        return logits

    model.forward = MethodType(forward, model)  # type: ignore[method-assign]
    return True
