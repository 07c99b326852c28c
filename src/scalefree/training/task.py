"""Everything that a run computes with, built from its configuration."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scalefree.config import DatasetConfig, DenseNetConfig, ResNetConfig, RunConfig
from scalefree.data import Dataset, TrainBatches, load_dataset
from scalefree.measure import QUANTITIES, Distribution, measure
from scalefree.models import densenet_bc, layer_groups, resnet
from scalefree.optim import AdamL2, AdamMetricProx, AdamProx, AdamW
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.rules import direction
from scalefree.seeds import generator
from scalefree.training.flat import FlatParameters
from scalefree.training.native import use_native_convolutions

OPTIMIZERS = {"adaml2": AdamL2, "adamw": AdamW, "adamprox": AdamProx, "adam_metric_prox": AdamMetricProx}


@dataclass
class Task:
    """A model on its device, its optimizer and its batches.

    Attributes:
        flat: the buffer that holds all parameters under the fast runners; None under the plain one, where the
            optimizer works on the list of layers.
        native: whether small convolutions are those of conv3x3.c.
        forward: the model, compiled where the runner says so.
        step: the optimizer's step, compiled likewise.
    """

    config: RunConfig
    device: torch.device
    dataset: Dataset
    model: nn.Module
    optimizer: AdamFamily
    batches: TrainBatches
    groups: dict[str, list[str]]
    flat: FlatParameters | None
    native: bool
    forward: Callable[[Tensor], Tensor]
    step: Callable[[], None]

    def zero_grad(self) -> None:
        """Forget the last step's gradients, where that step has not done so by gathering them."""
        if self.flat is None:
            self.optimizer.zero_grad(set_to_none=True)

    def update(self) -> None:
        """Move the parameters along the gradients that a backward pass has left."""
        if self.flat is not None:
            self.flat.gather_gradient()
        self.step()

    def gradients(self) -> dict[str, Tensor]:
        """The last step's gradient of every parameter by name; under the fast runners views of one vector."""
        if self.flat is not None:
            assert self.flat.vector.grad is not None
            return self.flat.by_name(self.flat.vector.grad)
        return {name: p.grad for name, p in self.model.named_parameters() if p.grad is not None}

    def set_gradients(self, gradients: Mapping[str, Tensor]) -> None:
        """Take gradients from a checkpoint, by parameter name."""
        held = self.gradients()
        for name, p in self.model.named_parameters():
            if name in held and name in gradients:
                held[name].copy_(gradients[name])
            elif name in gradients:
                p.grad = gradients[name]

    def measure(self) -> dict[str, Distribution]:
        """What the last step did: distributions by `<quantity>/<layer group>`."""
        values: dict[str, Mapping[str, Tensor]] = {
            "update_scale": self.directions(),
            "gradient": self.gradients(),
            "parameter": dict(self.model.named_parameters()),
        }
        return {
            f"{quantity}/{group}": distribution
            for quantity in QUANTITIES
            for group, distribution in measure(values[quantity], self.groups).items()
        }

    @torch.no_grad()
    def directions(self) -> dict[str, Tensor]:
        """Adam's direction p of every parameter by name, from the optimizer's state after a step, under no_grad."""
        group = self.optimizer.param_groups[0]
        states = [self.optimizer.state[parameter] for parameter in group["params"]]
        directions = direction(
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [state["step"] for state in states],
            group["betas"],
            group["eps"],
        )
        if self.flat is not None:
            return self.flat.by_name(directions[0])
        names = [name for name, _ in self.model.named_parameters()]
        return dict(zip(names, directions, strict=True))


@functools.lru_cache(maxsize=2)
def _published(name: str, root: str | None, validation_fraction: float, per_class: int | None) -> Dataset:
    """A data set whose content is fixed by its name, kept for the next run of this process."""
    return load_dataset(name, root, validation_fraction=validation_fraction, per_class=per_class)


def load_data(config: DatasetConfig) -> Dataset:
    """The data set of a configuration, on the CPU.

    Raises:
        DatasetError: whatever is wrong with the images.
    """
    arguments = (config.name, config.root, config.validation_fraction, config.per_class)
    # An image folder may change between two runs; its own cache notices that.
    return _published.__wrapped__(*arguments) if config.name == "image_folder" else _published(*arguments)


def build_model(config: RunConfig, dataset: Dataset) -> nn.Module:
    """The configured network, its weights drawn from the run's seed."""
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
    """All of a run's objects in their state before the first step."""
    dataset = dataset.to(device)
    model = build_model(config, dataset).to(device)
    flat = None if config.runner == "plain" else FlatParameters(model)
    suits_native = config.runner in ("auto", "fast") and device.type == "cpu" and config.precision == "fp32"
    native = suits_native and use_native_convolutions(model)
    optimizer = OPTIMIZERS[config.optimizer.name](
        model.parameters() if flat is None else [flat.vector],
        lr=config.optimizer.lr,
        betas=(config.optimizer.betas[0], config.optimizer.betas[1]),
        eps=config.optimizer.eps,
        weight_decay=config.optimizer.weight_decay,
    )
    batches = TrainBatches(
        dataset,
        config.training.batch_size,
        config.dataset.crop_padding,
        config.dataset.horizontal_flip,
        config.seed,
        torch.contiguous_format if flat is None else torch.channels_last,
    )
    forward: Callable[[Tensor], Tensor] = model
    step: Callable[[], None] = optimizer.step
    if config.runner == "compiled":
        forward, step = torch.compile(model, dynamic=False), torch.compile(optimizer.step, dynamic=False)
    return Task(config, device, dataset, model, optimizer, batches, layer_groups(model), flat, native, forward, step)
