"""Initial weights, drawn from a given generator."""

import math

import torch
from torch import nn


def normal_over_outputs(weight: torch.Tensor, generator: torch.Generator | None) -> None:
    """Normal with variance 2 / (k k out): the DenseNet authors' convolutions."""
    out_channels, _, height, width = weight.shape
    nn.init.normal_(weight, std=math.sqrt(2 / (height * width * out_channels)), generator=generator)


def uniform_over_inputs(parameter: torch.Tensor, fan_in: int, generator: torch.Generator | None) -> None:
    """Uniform in +-1 / sqrt(fan_in): torch's default for the weight and the bias of a linear layer."""
    bound = 1 / math.sqrt(fan_in)
    nn.init.uniform_(parameter, -bound, bound, generator=generator)
