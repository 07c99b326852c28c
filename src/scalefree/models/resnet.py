"""The CIFAR ResNet of He et al. (2016), section 4.2, with or without BatchNorm.

    depth 6n + 2      output size        layers
    stem              H x W              3x3 convolution, w channels
    stage 1           H x W              n blocks of two 3x3 convolutions, w channels
    stage 2           H/2 x W/2          n blocks, 2w channels, the first with stride 2
    stage 3           H/4 x W/4          n blocks, 4w channels, the first with stride 2
    head              1                  global average pool, linear layer

No convolution has a bias; shortcuts are option A (stride-2 subsampling, zero-padded channels), so they have no
parameters. "Without BN" removes every BatchNorm and adds nothing. Parameters at width 16, 3 input channels, 10 classes:

    depth   convolutions   with BN     without BN
    20      19             269,722     268,346
    44      43             658,586     655,418
    56      55             853,018     848,954
    110     109            1,727,962   1,719,866
    218     217            3,477,850   3,461,690
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scalefree.depths import check_resnet_depth, check_sizes
from scalefree.models.initialization import uniform_over_inputs


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)


def _norm(channels: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with an option-A shortcut: (B, in, H, W) -> (B, out, H/stride, W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, batch_norm: bool) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, out_channels, stride)
        self.norm1 = _norm(out_channels, batch_norm)
        self.conv2 = _conv(out_channels, out_channels)
        self.norm2 = _norm(out_channels, batch_norm)
        self.stride = stride
        self.new_channels = out_channels - in_channels

    def shortcut(self, x: Tensor) -> Tensor:
        """Take every stride-th pixel; new channels are zero, half before and half after the old ones."""
        if self.stride == 1 and self.new_channels == 0:
            return x
        before = self.new_channels // 2
        x = F.avg_pool2d(
            x, 1, self.stride
        )  # the mean of one pixel; the gradient of a slice would lose the memory format
        return F.pad(x, (0, 0, 0, 0, before, self.new_channels - before))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(y))
        return F.relu(y.add_(self.shortcut(x)), inplace=True)


class FixupBlock(BasicBlock):
    """A block of Fixup (Zhang, Dauphin, Ma 2019): scalar biases around the convolutions and a scalar multiplier."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, stride, batch_norm=False)
        self.bias1a, self.bias1b, self.bias2a, self.bias2b = (nn.Parameter(torch.zeros(1)) for _ in range(4))
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(x + self.bias1a) + self.bias1b, inplace=True)
        y = self.conv2(y + self.bias2a) * self.scale + self.bias2b
        return F.relu(y.add_(self.shortcut(x)), inplace=True)


class ResNet(nn.Module):
    """Maps images (B, C, H, W) of at least 8x8 pixels to logits (B, num_classes). Built by `resnet`."""

    def __init__(self, n: int, num_classes: int, batch_norm: bool, width: int, in_channels: int, fixup: bool) -> None:
        super().__init__()
        self.conv = _conv(in_channels, width)
        self.norm = _norm(width, batch_norm)
        channels = width
        stages = []
        for out_channels, first_stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
            blocks: list[nn.Module] = []
            for stride in (first_stride, *(1 for _ in range(n - 1))):
                if fixup:
                    blocks.append(FixupBlock(channels, out_channels, stride))
                else:
                    blocks.append(BasicBlock(channels, out_channels, stride, batch_norm))
                channels = out_channels
            stages.append(nn.Sequential(*blocks))
        self.stage1, self.stage2, self.stage3 = stages
        self.linear = nn.Linear(channels, num_classes)
        if fixup:
            self.stem_bias = nn.Parameter(torch.zeros(1))
            self.head_bias = nn.Parameter(torch.zeros(1))
        self.fixup = fixup

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        if self.fixup:
            x = x + self.stem_bias
        x = self.stage3(self.stage2(self.stage1(F.relu(x, inplace=True))))
        x = F.avg_pool2d(x, x.shape[2:]).flatten(1)
        if self.fixup:
            x = x + self.head_bias
        logits: Tensor = self.linear(x)
        return logits


@torch.no_grad()
def _initialize(model: ResNet, blocks: int, initialization: str, generator: torch.Generator | None) -> None:
    """Kaiming-normal weights and a bias uniform in +-1 / sqrt(fan_in) (authors' code), then the chosen changes."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    nn.init.kaiming_normal_(model.linear.weight, generator=generator)
    uniform_over_inputs(model.linear.bias, model.linear.in_features, generator)
    if initialization == "kaiming":
        return
    for module in model.modules():
        if isinstance(module, BasicBlock):
            if isinstance(module.norm2, nn.BatchNorm2d):
                # BatchNorm undoes any scale of the convolution, so its own weight is zeroed instead.
                nn.init.zeros_(module.norm2.weight)
            else:
                nn.init.zeros_(module.conv2.weight)
            if initialization == "fixup":
                # L^(-1/(2m - 2)) for L branches of m = 2 layers.
                module.conv1.weight.mul_(blocks**-0.5)
    if initialization == "fixup":
        nn.init.zeros_(model.linear.weight)
        nn.init.zeros_(model.linear.bias)


def resnet(
    depth: int,
    num_classes: int,
    batch_norm: bool = True,
    width: int = 16,
    *,
    in_channels: int = 3,
    initialization: str = "kaiming",
    generator: torch.Generator | None = None,
) -> ResNet:
    """The CIFAR ResNet of depth 6n + 2.

    Args:
        depth: number of weighted layers, 6n + 2.
        num_classes: number of classes.
        batch_norm: False removes every BatchNorm and changes nothing else, not even the initial weights.
        width: number of channels in the first stage.
        in_channels: number of image channels.
        initialization: `kaiming`, the paper's; `zero_last`, which zeroes every residual branch's last convolution (or
            its last BatchNorm's weight, if there is one); `fixup`, only without BatchNorm. Under `zero_last` channels
            that a shortcut pads with zeros stay zero: nothing is added to them, and ReLU passes no gradient at 0.
        generator: source of the initial weights; None is torch's global stream.

    Raises:
        ValueError: an impossible depth (naming the nearest), size or initialisation.
    """
    n = check_resnet_depth(depth)
    check_sizes(num_classes=num_classes, width=width, in_channels=in_channels)
    if initialization not in ("kaiming", "zero_last", "fixup"):
        raise ValueError(f"initialization={initialization!r} is unknown; choose kaiming, zero_last or fixup")
    if initialization == "fixup" and batch_norm:
        raise ValueError("initialization='fixup' is for networks without normalisation; set batch_norm=False")
    with torch.random.fork_rng(devices=[]):  # torch draws its own weights, which are overwritten below
        model = ResNet(n, num_classes, batch_norm, width, in_channels, fixup=initialization == "fixup")
    _initialize(model, 3 * n, initialization, generator)
    return model
