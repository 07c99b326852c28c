"""DenseNet-BC (Huang et al. 2017) for CIFAR, with or without BatchNorm.

    depth 6n + 4      output size        layers
    stem              H x W              3x3 convolution, 2k channels
    block 1           H x W              n layers, each 1x1 convolution to 4k and 3x3 convolution to k new channels
    transition 1      H/2 x W/2          1x1 convolution to half the channels, 2x2 average pool
    block 2           H/2 x W/2          n layers
    transition 2      H/4 x W/4          1x1 convolution to half the channels, 2x2 average pool
    block 3           H/4 x W/4          n layers
    head              1                  ReLU, global average pool, linear layer

Growth rate k; bottleneck 4x, compression 2, both part of "BC". Pre-activation: BatchNorm and ReLU come before each
convolution. "Without BN" deletes every BatchNorm. Parameters at k = 12, 3 input channels:

    depth   convolutions   classes   with BN   without BN
    40      39             10        176,122   171,034
    100     99             10        769,162   745,174
    100     99             100       800,032   776,044
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scalefree.depths import check_densenet_depth, check_sizes
from scalefree.models.initialization import normal_over_outputs, uniform_over_inputs

BOTTLENECK = 4
COMPRESSION = 2


def _norm(channels: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


class DenseLayer(nn.Module):
    """(B, c, H, W) -> (B, c + growth_rate, H, W): appends its new channels to its input."""

    def __init__(self, channels: int, growth_rate: int, batch_norm: bool) -> None:
        super().__init__()
        inner = BOTTLENECK * growth_rate
        self.norm1 = _norm(channels, batch_norm)
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.norm2 = _norm(inner, batch_norm)
        self.conv2 = nn.Conv2d(inner, growth_rate, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return torch.cat((x, y), dim=1)


class Transition(nn.Module):
    """(B, c, H, W) -> (B, c / 2, H / 2, W / 2)."""

    def __init__(self, channels: int, batch_norm: bool) -> None:
        super().__init__()
        self.norm = _norm(channels, batch_norm)
        self.conv = nn.Conv2d(channels, channels // COMPRESSION, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)


class DenseNet(nn.Module):
    """Maps images (B, C, H, W) of at least 8x8 pixels to logits (B, num_classes). Built by `densenet_bc`."""

    def __init__(self, n: int, growth_rate: int, num_classes: int, batch_norm: bool, in_channels: int) -> None:
        super().__init__()
        channels = 2 * growth_rate
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        parts: list[nn.Module] = []
        for block in range(3):
            layers = [DenseLayer(channels + i * growth_rate, growth_rate, batch_norm) for i in range(n)]
            parts.append(nn.Sequential(*layers))
            channels += n * growth_rate
            if block < 2:
                parts.append(Transition(channels, batch_norm))
                channels //= COMPRESSION
        self.block1, self.transition1, self.block2, self.transition2, self.block3 = parts
        self.norm = _norm(channels, batch_norm)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.transition1(self.block1(self.conv(x)))
        x = self.transition2(self.block2(x))
        x = F.relu(self.norm(self.block3(x)))
        logits: Tensor = self.linear(F.avg_pool2d(x, x.shape[2:]).flatten(1))
        return logits


def densenet_bc(
    depth: int = 100,
    growth_rate: int = 12,
    num_classes: int = 100,
    batch_norm: bool = True,
    *,
    in_channels: int = 3,
    generator: torch.Generator | None = None,
) -> DenseNet:
    """DenseNet-BC of depth 6n + 4.

    Args:
        depth: number of weighted layers, 6n + 4.
        growth_rate: k, the channels that each layer adds.
        num_classes: number of classes.
        batch_norm: False removes every BatchNorm and changes nothing else, not even the initial weights.
        in_channels: number of image channels.
        generator: source of the initial weights; None is torch's global stream.

    Convolutions are normal with variance 2 / (k k out); the linear layer's weight and bias are uniform in
    +-1 / sqrt(fan_in), torch's default (authors' code).

    Raises:
        ValueError: an impossible depth (naming the nearest) or size.
    """
    n = check_densenet_depth(depth)
    check_sizes(num_classes=num_classes, growth_rate=growth_rate, in_channels=in_channels)
    with torch.random.fork_rng(devices=[]):  # torch draws its own weights, which are overwritten below
        model = DenseNet(n, growth_rate, num_classes, batch_norm, in_channels)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            normal_over_outputs(module.weight, generator)
    for parameter in (model.linear.weight, model.linear.bias):
        uniform_over_inputs(parameter, model.linear.in_features, generator)
    return model
