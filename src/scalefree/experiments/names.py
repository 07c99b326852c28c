"""Readable names of data sets, networks, cells, numbers and counts; `optimizers.look` has those of methods."""

from collections.abc import Iterable, Sequence

from scalefree.config import DatasetConfig, DenseNetConfig, ModelConfig, ResNetConfig
from scalefree.datasets import DATASETS
from scalefree.experiments.arms import Network
from scalefree.experiments.results import Point
from scalefree.records import identity

MODELS = {"resnet": "ResNet", "densenet": "DenseNet-BC"}
INITIALIZATIONS = {"kaiming": "Kaiming", "zero_last": "zero last conv.", "fixup": "Fixup"}


def number(value: float) -> str:
    """A step size, decay or eps as the paper writes it: 5e-4, 0."""
    return identity.number(value, digits=6)


def count(number: int, noun: str) -> str:
    """`1 run`, `2,000 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def cell_name(point: Point) -> str:
    """`(2e-3, 1e-4)`: step size and decay."""
    return f"({number(point.lr)}, {number(point.weight_decay)})"


def dataset_name(dataset: DatasetConfig) -> str:
    """`CIFAR-10`, `CIFAR-10 at 16x16 (500 images per class)`."""
    row = DATASETS[dataset.name]
    name = row.label
    if row.averages(dataset.resolution):
        name += f" at {dataset.resolution}x{dataset.resolution}"
    return name if dataset.per_class is None else f"{name} ({dataset.per_class} images per class)"


def _either(values: Iterable[int]) -> str:
    return " or ".join(f"{value:,}" for value in sorted(set(values)))


def scope(profile: str, points: Sequence[Point]) -> str:
    """`Digits 8x8, profile digits, 32 epochs of batch 32, 20 seeds`: the scope of some runs."""
    if not points:
        return f"profile {profile}"
    configs = [point.results[0].config for point in points]
    datasets = " and ".join(dict.fromkeys(dataset_name(config.dataset) for config in configs))
    epochs = _either(config.training.epochs for config in configs)
    batches = _either(config.training.batch_size for config in configs)
    seeds = _either(len(point.results) for point in points)
    return f"{datasets}, profile {profile}, {epochs} epochs of batch {batches}, {seeds} seed{'s' * (seeds != '1')}"


def chance_error(dataset: DatasetConfig) -> float | None:
    """The error in [0, 1] of guessing among balanced classes; None if their number is unknown."""
    classes = DATASETS[dataset.name].classes
    return None if classes is None else 1 - 1 / classes


def width_name(model: ModelConfig) -> str:
    """`width 8`; empty for the usual width."""
    if isinstance(model, ResNetConfig) and model.width != ResNetConfig.width:
        return f"width {model.width}"
    if isinstance(model, DenseNetConfig) and model.growth_rate != DenseNetConfig.growth_rate:
        return f"growth {model.growth_rate}"
    return ""


def network_name(network: Network) -> str:
    """`ResNet-80, zero last conv.`, `ResNet-38 with BN`."""
    kind = f"{MODELS[network.family]}-{network.depth}{' with BN' if network.batch_norm else ''}"
    initialization = INITIALIZATIONS[network.initialization]
    return kind if network.initialization == ResNetConfig.initialization else f"{kind}, {initialization}"
