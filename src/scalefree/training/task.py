"""Everything that a run computes with, built from its configuration."""

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from scalefree.config import DatasetConfig, DenseNetConfig, ResNetConfig, RunConfig
from scalefree.data import Dataset, TrainBatches, load_dataset
from scalefree.measure import QUANTITIES, Distribution, drown_out_shares, measure
from scalefree.models import densenet_bc, layer_groups, resnet
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.rules import Reading
from scalefree.seeds import generator
from scalefree.training.batch_norm import use_exact_batch_norm
from scalefree.training.chosen_optimizer import build_optimizer, is_elementwise
from scalefree.training.device import set_precision
from scalefree.training.flat import FlatParameters
from scalefree.training.layers import GradientMultipliers, LossSecondMoment
from scalefree.training.native import use_native_convolutions, use_residual_kernels


@dataclass
class Task:
    """A model on its device, its optimizer and its batches.

    Attributes:
        layout: of images and weights under the fast runners, None under the plain one.
        flat: the buffer that holds all parameters under the fast runners; None under the plain one and for torch's
            optimizers, which work on the list of layers.
        native: the source of our own convolutions where the model uses them: conv3x3.c or residual.cu.
        gradient_multipliers: the layers' own loss multipliers, None where there are none.
        loss_second_moment: u, where it is measured and the optimizer does not keep it itself.
        forward: the model, compiled where the runner says so.
        step: the optimizer's step, compiled likewise.
        before: the parameters before a step that is measured, where only their change tells what it did.
    """

    config: RunConfig
    device: torch.device
    dataset: Dataset
    model: nn.Module
    optimizer: Optimizer
    batches: TrainBatches
    groups: dict[str, list[str]]
    layout: torch.memory_format | None
    flat: FlatParameters | None
    native: str | None
    gradient_multipliers: GradientMultipliers | None
    loss_second_moment: LossSecondMoment | None
    forward: Callable[[Tensor], Tensor]
    step: Callable[[], Any]
    before: list[Tensor] | None = None

    def zero_grad(self) -> None:
        """Forget the last step's gradients, where that step has not done so by gathering them."""
        if self.flat is None:
            self.optimizer.zero_grad(set_to_none=True)

    def update(self) -> None:
        """Move the parameters along the gradients that a backward pass has left."""
        if self.flat is not None:
            self.flat.gather_gradient()
        if self.gradient_multipliers is not None:
            self.gradient_multipliers()
        if self.loss_second_moment is not None:
            self.loss_second_moment()
        self.step()

    def optimized(self) -> list[Tensor]:
        """The tensors that the optimizer moves."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def gradients(self) -> dict[str, Tensor]:
        """The last step's gradient of every parameter by name; under the fast runners views of one vector."""
        if self.flat is not None:
            assert self.flat.vector.grad is not None
            return self.flat.by_name(self.flat.vector.grad)
        return {name: p.grad for name, p in self.model.named_parameters() if p.grad is not None}

    def measure(self, eta: float) -> dict[str, Distribution]:
        """What the last step did, under the schedule's eta: distributions by `<quantity>/<layer group>`."""
        values: dict[str, Mapping[str, Tensor]] = {
            "update_scale": self._updates(eta),
            "gradient": self.gradients(),
            "parameter": dict(self.model.named_parameters()),
        }
        if self.tells_decay:
            values["effective_decay"] = self.effective_decays()
        measured = {
            f"{quantity}/{group}": distribution
            for quantity in values
            for group, distribution in measure(values[quantity], self.groups, QUANTITIES[quantity]).items()
        }
        for group, share in self._drown_out_shares().items():
            measured[f"effective_decay/{group}"].scalars["drown_out_share"] = share
        return measured

    def before_measured_step(self) -> None:
        """To be called before a step that `measure` is to be asked about."""
        if not isinstance(self.optimizer, AdamFamily):
            self.before = [p.detach().clone() for p in self.optimized()]

    @torch.no_grad()
    def _updates(self, eta: float) -> dict[str, Tensor]:
        """The last step's updates over alpha by name: eta p, or of a torch optimizer the change of the parameters."""
        if isinstance(self.optimizer, AdamFamily):
            return {name: eta * p for name, p in self.directions().items()}
        assert self.before is not None, "before_measured_step was not called"
        alpha = self.config.optimizer.lr
        changes = [(old - new) / alpha for old, new in zip(self.before, self.optimized(), strict=True)]
        self.before = None
        return self.named(changes)

    @property
    def tells_decay(self) -> bool:
        """Whether there is decay and the optimizer says how much of it each coordinate gets."""
        told = isinstance(self.optimizer, AdamFamily) and self.optimizer.effective_decay is not None
        return told and self.config.optimizer.weight_decay > 0

    @torch.no_grad()
    def directions(self) -> dict[str, Tensor]:
        """p of every parameter by name: the update of the last step without its step size."""
        assert isinstance(self.optimizer, AdamFamily)
        return self.named(self._read(self.optimizer.direction))

    @torch.no_grad()
    def effective_decays(self) -> dict[str, Tensor]:
        """Each coordinate's own decay in the last step over lambda eta, by parameter name; it must be told."""
        assert isinstance(self.optimizer, AdamFamily) and self.optimizer.effective_decay is not None
        decays = self._read(self.optimizer.effective_decay)
        weight_decay = self.config.optimizer.weight_decay
        # A group has a lambda of its own where layers are unbalanced.
        own = [group["weight_decay"] for group in self.optimizer.param_groups for _ in group["params"]]
        return self.named([decay * (of_group / weight_decay) for decay, of_group in zip(decays, own, strict=True)])

    @torch.no_grad()
    def _drown_out_shares(self) -> dict[str, float]:
        """By layer group, where lambda |x| is above sqrt(u_hat); nothing where no decay is told."""
        config = self.config.optimizer
        if not self.tells_decay:
            return {}
        assert isinstance(self.optimizer, AdamFamily)
        states = [self.optimizer.state[p] for p in self.optimized()]
        if self.loss_second_moment is not None:
            u = self.loss_second_moment.u
        else:
            assert self.optimizer.loss_second_moment is not None
            u = [state[self.optimizer.loss_second_moment] for state in states]
        scales = [(m / (1 - config.betas[1] ** s["step"])).sqrt().to(m.dtype) for m, s in zip(u, states, strict=True)]
        x = dict(self.model.named_parameters())
        return drown_out_shares(x, self.named(scales), config.weight_decay, self.groups)

    def _read(self, reading: Reading) -> list[Tensor]:
        """What is read off the optimizer's state after a step, parameter by parameter."""
        optimizer = self.optimizer
        assert isinstance(optimizer, AdamFamily)
        return list(itertools.chain(*(optimizer.read(reading, group) for group in optimizer.param_groups)))

    def named(self, of_optimizer: list[Tensor]) -> dict[str, Tensor]:
        """Tensors like the optimizer's parameters, by the names of the model's."""
        if self.flat is not None:
            return self.flat.by_name(torch.cat(of_optimizer))
        return dict(zip((name for name, _ in self.model.named_parameters()), of_optimizer, strict=True))


@functools.lru_cache(maxsize=2)
def _published(
    name: str, root: str | None, validation_fraction: float, per_class: int | None, resolution: int | None
) -> Dataset:
    """A data set whose content is fixed by its name, kept for the next run of this process."""
    return load_dataset(name, root, validation_fraction=validation_fraction, per_class=per_class, resolution=resolution)


def load_data(config: DatasetConfig) -> Dataset:
    """The data set of a configuration, on the CPU.

    Raises:
        DatasetError: whatever is wrong with the images.
    """
    arguments = (config.name, config.root, config.validation_fraction, config.per_class, config.resolution)
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


def memory_format(config: RunConfig, device: torch.device) -> torch.memory_format:
    """How images and convolutions' weights lie in memory, unless runner=plain.

    conv3x3.c, BatchNorm and tensor cores want channels_last; in float32 without BatchNorm CUDA's kernels, residual.cu's
    and cuDNN's, want it contiguous: ResNet-56 of width 8 took 492 steps a second that way and 294 the other.
    """
    contiguous = device.type == "cuda" and config.precision == "fp32" and not config.model.batch_norm
    return torch.contiguous_format if contiguous else torch.channels_last


def _native(config: RunConfig, dataset: Dataset, device: torch.device, model: nn.Module) -> str | None:
    """Let the model use our own convolutions where there are some for it; the name of their source."""
    if config.runner not in ("auto", "fast") or config.precision != "fp32":
        return None
    if device.type == "cpu":
        return "conv3x3.c" if use_native_convolutions(model) else None
    height, width = dataset.train.images.shape[2:]
    return "residual.cu" if device.type == "cuda" and use_residual_kernels(model, height, width) else None


def build_task(config: RunConfig, dataset: Dataset, device: torch.device) -> Task:
    """All of a run's objects in their state before the first step; the process computes in its precision from here on.

    Raises:
        ConfigError: the device does not have that precision.
    """
    set_precision(config.precision, device)
    dataset = dataset.to(device)
    model = build_model(config, dataset).to(device)
    # On CUDA all that is fast lies in graphs, and other optimizers than ours do not.
    fast = config.runner != "plain" and (device.type != "cuda" or is_elementwise(config.optimizer))
    layout = memory_format(config, device) if fast else None
    flat = FlatParameters(model, layout) if layout is not None and is_elementwise(config.optimizer) else None
    native = _native(config, dataset, device, model) if fast else None
    if fast and device.type == "cpu":
        use_exact_batch_norm(model)
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
        layout or torch.contiguous_format,
        config.replica,
    )
    forward: Callable[[Tensor], Tensor] = model
    step: Callable[[], Any] = optimizer.step
    if config.runner == "compiled":
        forward = torch.compile(model, dynamic=False)
        step = torch.compile(optimizer.step, dynamic=False) if isinstance(optimizer, AdamFamily) else step
    task = Task(
        config=config,
        device=device,
        dataset=dataset,
        model=model,
        optimizer=optimizer,
        batches=batches,
        groups=layer_groups(model),
        layout=layout,
        flat=flat,
        native=native,
        gradient_multipliers=GradientMultipliers(layers, unbalance) if unbalance else None,
        loss_second_moment=None,
        forward=forward,
        step=step,
    )
    if isinstance(optimizer, AdamFamily) and optimizer.loss_second_moment is None and task.tells_decay:
        task.loss_second_moment = LossSecondMoment(parameters, config.optimizer.betas[1])
    return task
