"""The least that a profile's runs cost on a GPU: computed from operations and bytes, not measured.

    python -m benchmarks.cost [profile=paper] [experiment=all] [at=1]

Operations are those of convolutions and of the linear layer, a multiply-add counting as two; bytes are those of
`roofline.py`, with everything fused that can be. An evaluation moves two fifths as many bytes as a training step: x and
y of each convolution once. The device is an H200, as in its data sheet. `at` is the share of its peak that is reached.
A run takes at least the longer of its two times; many runs at once come near it if they fill the device.
"""

import sys
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.roofline import bytes_per_image, operations_per_image
from scalefree.command_line import given, names, parse, refused
from scalefree.config import DenseNetConfig, ResNetConfig, RunConfig
from scalefree.datasets import DATASETS
from scalefree.experiments import experiment_names, load_experiment, runs_of
from scalefree.models import densenet_bc, resnet
from scalefree.streams import begin

# By precision: operations per second (dense), and bytes of an activation.
PEAK = {"fp32": (67e12, 4), "tf32": (495e12, 4), "bf16": (989e12, 2)}
BANDWIDTH = 4.8e12
SIDE, CHANNELS = 32, 3
FORWARD = 0.4


@dataclass(frozen=True)
class Cost:
    """How many runs, their operations and bytes, and the seconds that each of these takes at the peak."""

    runs: int = 0
    operations: float = 0.0
    bytes: float = 0.0
    computing: float = 0.0
    moving: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


def images(config: RunConfig) -> tuple[int, int]:
    """How many images a run trains on and how many it evaluates, counting repetitions.

    Raises:
        ValueError: the data are not CIFAR's, so the sizes are not known here.
    """
    data, training = config.dataset, config.training
    row = DATASETS[data.name]
    if data.name not in ("cifar10", "cifar100") or row.images is None or row.classes is None:
        raise ValueError(f"dataset={data.name}: only cifar10's and cifar100's costs are computed")
    train, test = row.images
    if data.per_class is not None:
        train = data.per_class * row.classes
    held_out = round(train * data.validation_fraction)
    train -= held_out
    augments = data.crop_padding > 0 or data.horizontal_flip
    evaluations = -(-training.epochs // training.evaluate_every)
    return train * training.epochs, evaluations * (train * (1 + augments) + held_out + test)


def network(config: RunConfig) -> nn.Module:
    """A network of the configured size; its weights do not matter."""
    model, classes = config.model, DATASETS[config.dataset.name].classes
    assert classes is not None, "images() refuses such data sets"
    if isinstance(model, DenseNetConfig):
        return densenet_bc(model.depth, model.growth_rate, classes, model.batch_norm, in_channels=CHANNELS)
    assert isinstance(model, ResNetConfig)
    return resnet(model.depth, classes, model.batch_norm, width=model.width, in_channels=CHANNELS)


class Costs:
    """Costs of runs, each network counted once."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[float, float, float]] = {}

    def _of_image(self, config: RunConfig) -> tuple[float, float, float]:
        side, batch = config.dataset.resolution or SIDE, config.training.batch_size
        _, size = PEAK[config.precision]
        key = repr((config.model, config.dataset.name, side, batch, size))
        if key not in self.known:
            model = network(config)
            moved = bytes_per_image(model, CHANNELS, side, batch, size)
            training, evaluation = operations_per_image(model, CHANNELS, side)
            self.known[key] = (training, evaluation, moved)
        return self.known[key]

    def of(self, config: RunConfig) -> Cost:
        """The cost of one run."""
        trained, evaluated = images(config)
        training, evaluation, moved = self._of_image(config)
        operations = trained * training + evaluated * evaluation
        total = (trained + FORWARD * evaluated) * moved
        return Cost(1, operations, total, operations / PEAK[config.precision][0], total / BANDWIDTH)


def row(name: str, cost: Cost, share: float) -> str:
    """A line of the table."""
    hours = [seconds / 3600 / share for seconds in (cost.computing, cost.moving)]
    return (
        f"| {name} | {cost.runs} | {cost.operations / 1e15:,.1f} | {cost.bytes / 1e15:,.2f} | {hours[0]:.2g} | "
        f"{hours[1]:.2g} |"
    )


def main() -> int:
    """Exit codes: 0 printed, 2 refused."""
    try:
        options = parse(given(), profile="paper", experiment="all", at="1")
        share = float(options["at"])
        if not 0 < share <= 1:
            raise ValueError(f"at={options['at']} is not a share of the peak, above 0 and at most 1")
        chosen = experiment_names() if options["experiment"] == "all" else names(options, "experiment")
        experiments = [load_experiment(name, options["profile"]) for name in chosen]
        costs, total = Costs(), Cost()
        print("| experiment | runs | PFLOP | PB | hours to compute | hours to move |\n|---|---|---|---|---|---|")
        for experiment in experiments:
            runs = runs_of([experiment]).values()
            if runs:
                print(row(experiment.name, sum((costs.of(config) for config, _ in runs), Cost()), share), flush=True)
            if experiment.waiting:
                print(f"| {experiment.name}, waiting | {len(experiment.waiting)} | | | | |")
        for config, _ in runs_of(experiments).values():
            total += costs.of(config)
        print(row("all, shared runs once", total, share))
    except ValueError as error:
        return refused(error)
    return 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(begin(main))
