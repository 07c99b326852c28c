"""What a run does faster than the plain loop, decided and attached here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from scalefree.config import RunConfig
from scalefree.data import Dataset
from scalefree.training.chosen_optimizer import is_elementwise
from scalefree.training.fast.batch_norm import use_exact_batch_norm
from scalefree.training.fast.flat import FlatParameters
from scalefree.training.fast.native.network import use_native_convolutions
from scalefree.training.fast.native.residual import use_residual_kernels


@dataclass(frozen=True)
class Speedups:
    """What of a network is there for speed; nothing in the plain loop.

    Attributes:
        layout: of images and weights, where it is chosen for the kernels.
        flat: the buffer that holds all parameters; None for torch's optimizers too, which work on the list of layers.
        native: the source of our own convolutions where the model uses them: conv3x3.c or residual.cu.
    """

    layout: torch.memory_format | None = None
    flat: FlatParameters | None = None
    native: str | None = None


def captures(config: RunConfig, device: torch.device) -> bool:
    """Whether steps become graphs: on CUDA, where all that is fast lies in them, which other optimizers cannot do."""
    return device.type == "cuda" and config.runner != "plain" and is_elementwise(config.optimizer)


def memory_format(config: RunConfig, device: torch.device) -> torch.memory_format:
    """How images and convolutions' weights lie in memory, unless runner=plain.

    conv3x3.c, BatchNorm and tensor cores want channels_last; in float32 without BatchNorm CUDA's kernels, residual.cu's
    and cuDNN's, want it contiguous: ResNet-56 of width 8 took 492 steps a second that way and 294 the other.
    """
    contiguous = device.type == "cuda" and config.precision == "fp32" and not config.model.batch_norm
    return torch.contiguous_format if contiguous else torch.channels_last


def _use_native(model: nn.Module, config: RunConfig, dataset: Dataset, device: torch.device) -> str | None:
    """Let the model use our own convolutions where there are some for it; the name of their source."""
    if config.runner not in ("auto", "fast") or config.precision != "fp32":
        return None
    if device.type == "cpu":
        return "conv3x3.c" if use_native_convolutions(model) else None
    height, width = dataset.train.images.shape[2:]
    return "residual.cu" if device.type == "cuda" and use_residual_kernels(model, height, width) else None


def speed_up(model: nn.Module, config: RunConfig, dataset: Dataset, device: torch.device) -> Speedups:
    """Change how a model computes, not what, as suits the device it is on; not with runner=plain."""
    if config.runner == "plain" or (device.type == "cuda" and not captures(config, device)):
        return Speedups()
    layout = memory_format(config, device)
    flat = FlatParameters(model, layout) if is_elementwise(config.optimizer) else None
    native = _use_native(model, config, dataset, device)
    if device.type == "cpu":
        use_exact_batch_norm(model)
    return Speedups(layout, flat, native)


def compiled(call: Callable[..., Any], config: RunConfig) -> Callable[..., Any]:
    """A model or a function as torch.compile makes it for runner=compiled; else as it is."""
    return torch.compile(call, dynamic=False) if config.runner == "compiled" else call
