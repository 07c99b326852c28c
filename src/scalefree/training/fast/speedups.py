"""Decides which speedups a run uses, and attaches them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from scalefree.config import RunConfig
from scalefree.data import Dataset
from scalefree.optim.adam_family import AdamFamily
from scalefree.training.chosen_optimizer import is_elementwise
from scalefree.training.fast.batch_norm import use_exact_batch_norm
from scalefree.training.fast.cast_once import CastOnce
from scalefree.training.fast.flat import FlatParameters
from scalefree.training.fast.native.add_relu import use_fused_sums
from scalefree.training.fast.native.network import use_native_convolutions
from scalefree.training.fast.native.residual import use_residual_kernels
from scalefree.training.fast.whole_device import WholeDevice


@dataclass(frozen=True)
class Speedups:
    """A network's speedups; empty in the plain loop.

    Attributes:
        layout: memory format of images and weights, if chosen for the kernels.
        flat: the buffer with all parameters; also None for torch's optimizers, which work on the list of layers.
        native: the source of our own kernels, if the model uses them: conv3x3.c, residual.cu or add_relu.cu.
    """

    layout: torch.memory_format | None = None
    flat: FlatParameters | None = None
    native: str | None = None

    @property
    def any(self) -> bool:
        """Whether the run has any."""
        return self != Speedups()


def captures(config: RunConfig, device: torch.device) -> bool:
    """Whether steps are captured as graphs: on CUDA, unless runner=plain, for our own element-wise optimizers."""
    return device.type == "cuda" and config.runner != "plain" and is_elementwise(config.optimizer)


def memory_format(config: RunConfig, device: torch.device) -> torch.memory_format:
    """The memory format of images and convolution weights, unless runner=plain.

    conv3x3.c, BatchNorm and tensor cores need channels_last; in float32 without BatchNorm on CUDA, residual.cu and
    cuDNN are better with contiguous tensors: ResNet-56 of width 8 took 492 steps per second that way and 294 the other.
    """
    contiguous = device.type == "cuda" and config.precision == "fp32" and not config.model.batch_norm
    return torch.contiguous_format if contiguous else torch.channels_last


def _use_native(model: nn.Module, config: RunConfig, dataset: Dataset, device: torch.device) -> str | None:
    """Let the model use our own kernels if any are suitable; returns the name of their source."""
    if config.runner not in ("auto", "fast") or config.precision == "bf16":
        return None
    if device.type == "cpu":
        return "conv3x3.c" if use_native_convolutions(model) else None
    height, width = dataset.train.images.shape[2:]
    if config.precision == "fp32" and use_residual_kernels(model, height, width):
        return "residual.cu"
    return "add_relu.cu" if use_fused_sums(model) else None


def speed_up(model: nn.Module, config: RunConfig, dataset: Dataset, device: torch.device) -> Speedups:
    """Change how, but not what, a model computes, to suit its device; does nothing with runner=plain."""
    if config.runner == "plain" or (device.type == "cuda" and not captures(config, device)):
        return Speedups()
    layout = memory_format(config, device)
    flat = FlatParameters(model, layout) if is_elementwise(config.optimizer) else None
    native = _use_native(model, config, dataset, device)
    if device.type == "cpu":
        use_exact_batch_norm(model)
    return Speedups(layout, flat, native)


def compiled(call: Callable[..., Any], config: RunConfig) -> Callable[..., Any]:
    """A model or function, compiled by torch.compile with runner=compiled and otherwise unchanged."""
    return torch.compile(call, dynamic=False) if config.runner == "compiled" else call


def forward_pass(model: nn.Module, config: RunConfig, flat: FlatParameters | None) -> Callable[[Tensor], Tensor]:
    """The model's forward pass in training, as fast as the runner makes it."""
    if config.precision == "bf16" and config.runner in ("auto", "fast") and flat is not None:
        return CastOnce(model, flat)
    return compiled(model, config)


def optimizer_step(optimizer: Optimizer, config: RunConfig, device: torch.device) -> Callable[[], Any]:
    """The optimizer's step, as fast as the runner makes it."""
    if not isinstance(optimizer, AdamFamily):
        return optimizer.step
    if config.runner == "compiled" or not captures(config, device):
        return compiled(optimizer.step, config)

    whole_device = WholeDevice()  # type: ignore[no-untyped-call]

    def step() -> None:
        with whole_device:
            optimizer.step()

    return step
