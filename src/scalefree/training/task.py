"""Everything that a run needs to compute, built from its configuration."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from scalefree.config import DatasetConfig, DenseNetConfig, ResNetConfig, RunConfig
from scalefree.data import Dataset, TrainBatches, load_dataset
from scalefree.models import densenet_bc, layer_groups, resnet
from scalefree.optim.adam_family import AdamFamily
from scalefree.seeds import generator
from scalefree.training.chosen_optimizer import build_optimizer
from scalefree.training.device import set_precision
from scalefree.training.fast.speedups import Speedups, forward_pass, optimizer_step, speed_up
from scalefree.training.layers import GradientMultipliers, LossSecondMoment


@dataclass
class Task:
    """A model on its device, its optimizer and its batches.

    Attributes:
        fast: its speedups; empty in the plain loop.
        gradient_multipliers: the layers' own loss multipliers, if any.
        loss_second_moment: u, if it is measured and the optimizer does not keep it.
        forward: the model, in the runner's way.
        step: the optimizer's step, likewise.
    """

    config: RunConfig
    device: torch.device
    dataset: Dataset
    model: nn.Module
    optimizer: Optimizer
    batches: TrainBatches
    groups: dict[str, list[str]]
    fast: Speedups
    gradient_multipliers: GradientMultipliers | None
    loss_second_moment: LossSecondMoment | None
    forward: Callable[[Tensor], Tensor]
    step: Callable[[], Any]

    def zero_grad(self) -> None:
        """Clear the last step's gradients, unless gathering them has already done so."""
        if self.fast.flat is None:
            self.optimizer.zero_grad(set_to_none=True)

    def update(self) -> None:
        """Update the parameters with the gradients left by the backward pass."""
        if self.fast.flat is not None:
            self.fast.flat.gather_gradient()
        if self.gradient_multipliers is not None:
            self.gradient_multipliers()
        if self.loss_second_moment is not None:
            self.loss_second_moment()
        self.step()

    def optimized(self) -> list[Tensor]:
        """The tensors that the optimizer updates."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def gradients(self) -> dict[str, Tensor]:
        """The last step's gradient of every parameter by name; with the fast runners, views of one vector."""
        if self.fast.flat is not None:
            assert self.fast.flat.vector.grad is not None
            return self.fast.flat.by_name(self.fast.flat.vector.grad)
        return {name: p.grad for name, p in self.model.named_parameters() if p.grad is not None}

    @property
    def tells_decay(self) -> bool:
        """Whether there is a decay and the optimizer can report each coordinate's share of it."""
        told = isinstance(self.optimizer, AdamFamily) and self.optimizer.effective_decay is not None
        return told and self.config.optimizer.weight_decay > 0

    def named(self, of_optimizer: list[Tensor]) -> dict[str, Tensor]:
        """Tensors shaped like the optimizer's parameters, by the names of the model's parameters."""
        if self.fast.flat is not None:
            return self.fast.flat.by_name(torch.cat(of_optimizer))
        return dict(zip((name for name, _ in self.model.named_parameters()), of_optimizer, strict=True))


@functools.lru_cache(maxsize=2)
def _published(
    name: str, root: str | None, validation_fraction: float, per_class: int | None, resolution: int | None
) -> Dataset:
    """A data set whose content is fixed by its name, cached for this process's next run."""
    return load_dataset(name, root, validation_fraction=validation_fraction, per_class=per_class, resolution=resolution)


def load_data(config: DatasetConfig) -> Dataset:
    """Load the data set of a configuration to the CPU.

    Raises:
        DatasetError: something is wrong with the images.
    """
    arguments = (config.name, config.root, config.validation_fraction, config.per_class, config.resolution)
    # An image folder may change between runs; its own cache notices that.
    return _published.__wrapped__(*arguments) if config.name == "image_folder" else _published(*arguments)


def build_model(config: RunConfig, dataset: Dataset) -> nn.Module:
    """The configured network, with weights drawn from the run's seed."""
    weights = generator(config.seed, "initialization")
    model = config.model
    if isinstance(model, ResNetConfig):
        return resnet(
            model.depth,
            dataset.num_classes,
            model.batch_norm,
            model.width,
            in_channels=dataset.in_channels,
            initialization=model.initialization,
            generator=weights,
        )
    assert isinstance(model, DenseNetConfig)
    return densenet_bc(
        model.depth,
        model.growth_rate,
        dataset.num_classes,
        model.batch_norm,
        in_channels=dataset.in_channels,
        generator=weights,
    )


def build_task(config: RunConfig, dataset: Dataset, device: torch.device) -> Task:
    """All of a run's objects as they are before the first step; sets the precision of the process to the run's."""
    set_precision(config.precision)
    dataset = dataset.to(device)
    model = build_model(config, dataset).to(device)
    fast = speed_up(model, config, dataset, device)
    flat = fast.flat
    layers = list(model.parameters()) if flat is None else flat.layers
    tells_layers_apart = config.optimizer.granularity != "coordinate" or config.optimizer.decay_unbalance > 0
    parameters = layers if flat is None or tells_layers_apart else [flat.vector]
    optimizer = build_optimizer(config.optimizer, parameters)
    unbalance = config.training.gradient_unbalance
    batches = TrainBatches(
        dataset,
        config.training.batch_size,
        config.dataset.crop_padding,
        config.dataset.horizontal_flip,
        config.seed,
        fast.layout or torch.contiguous_format,
        config.replica,
    )
    task = Task(
        config=config,
        device=device,
        dataset=dataset,
        model=model,
        optimizer=optimizer,
        batches=batches,
        groups=layer_groups(model),
        fast=fast,
        gradient_multipliers=GradientMultipliers(layers, unbalance) if unbalance else None,
        loss_second_moment=None,
        forward=forward_pass(model, config, flat),
        step=optimizer_step(optimizer, config, device),
    )
    if isinstance(optimizer, AdamFamily) and optimizer.loss_second_moment is None and task.tells_decay:
        task.loss_second_moment = LossSecondMoment(parameters, config.optimizer.betas[1])
    return task
