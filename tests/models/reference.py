"""The networks' layers in float64 NumPy, written from their definitions, on arrays (B, C, H, W)."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def weights_of(model: nn.Module) -> Weights:
    """All parameters and buffers by name."""
    return {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}


def randomize_batch_norms(model: nn.Module, generator: torch.Generator) -> None:
    """Moves statistics and affine parameters away from 0 and 1, so that a reference must use all of them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5, generator=generator)


def convolution(x: Array, kernel: Array, stride: int = 1) -> Array:
    """3x3 with one pixel of zero padding, or 1x1: a sum over the kernel's pixels."""
    size = kernel.shape[2]
    margin = size // 2
    padded = np.pad(x, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
    height, width = x.shape[2], x.shape[3]
    out = np.zeros((len(x), len(kernel), height, width))
    for i in range(size):
        for j in range(size):
            window = padded[:, :, i : i + height, j : j + width]
            out += np.einsum("bchw,oc->bohw", window, kernel[:, :, i, j])
    return out[:, :, ::stride, ::stride]


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def norm(x: Array, weights: Weights, name: str) -> Array:
    """Evaluation-mode BatchNorm; the identity if the network has none with this name."""
    if f"{name}.weight" not in weights:
        return x
    mean, variance, gain, bias = (
        weights[f"{name}.{part}"].reshape(1, -1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * gain + bias


def option_a(x: Array, channels: int, stride: int) -> Array:
    """He et al.'s option A: every stride-th pixel; new channels are zero, half of them before the old ones."""
    batch, old, height, width = x.shape
    out = np.zeros((batch, channels, -(-height // stride), -(-width // stride)))
    first = (channels - old) // 2
    for row in range(out.shape[2]):
        for column in range(out.shape[3]):
            out[:, first : first + old, row, column] = x[:, :, row * stride, column * stride]
    return out


def linear(x: Array, weights: Weights) -> Array:
    """Global average pooling and the linear layer."""
    logits: Array = x.mean(axis=(2, 3)) @ weights["linear.weight"].T + weights["linear.bias"]
    return logits


def resnet_logits(x: Array, weights: Weights, n: int) -> Array:
    """The ResNet's table, for any width, with or without BatchNorm."""
    x = relu(norm(convolution(x, weights["conv.weight"]), weights, "norm"))
    for stage in (1, 2, 3):
        for block in range(n):
            name = f"stage{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = convolution(x, weights[f"{name}.conv1.weight"], stride)
            y = convolution(relu(norm(y, weights, f"{name}.norm1")), weights[f"{name}.conv2.weight"])
            y = norm(y, weights, f"{name}.norm2")
            x = relu(y + option_a(x, y.shape[1], stride))
    return linear(x, weights)


def densenet_logits(x: Array, weights: Weights, n: int) -> Array:
    """DenseNet-BC's table, for any growth rate, with or without BatchNorm."""
    x = convolution(x, weights["conv.weight"])
    for block in (1, 2, 3):
        for layer in range(n):
            name = f"block{block}.{layer}"
            y = convolution(relu(norm(x, weights, f"{name}.norm1")), weights[f"{name}.conv1.weight"])
            y = convolution(relu(norm(y, weights, f"{name}.norm2")), weights[f"{name}.conv2.weight"])
            x = np.concatenate((x, y), axis=1)
        if block < 3:
            name = f"transition{block}"
            x = convolution(relu(norm(x, weights, f"{name}.norm")), weights[f"{name}.conv.weight"])
            height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
            quarters = [x[:, :, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
            x = np.mean(quarters, axis=0)
    return linear(relu(norm(x, weights, "norm")), weights)
