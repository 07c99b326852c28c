"""How long runs take: as measured for similar runs, otherwise estimated from their FLOPs and the most similar one."""

import math
import shutil
import statistics
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from scalefree.config import DenseNetConfig, ResNetConfig, RunConfig
from scalefree.datasets import DATASETS
from scalefree.records import Record, scientific_config
from scalefree.records.configuration import config_of_values
from scalefree.records.environment import on_cpu

# CIFAR's, which stand for what is not known before the images are read; the pace of the first run corrects that.
_USUAL_IMAGES, _USUAL_SIDE, _USUAL_CLASSES = (50_000, 10_000), 32, 10
# A training step costs one forward pass and a backward pass as long as two; an evaluation runs over the training images
# twice, plain and augmented.
_PASSES, _READINGS = 3, 2

Kind = tuple[object, ...]
Device = Literal["a CPU", "a GPU"]


def _forward(config: RunConfig) -> float:
    """Multiplications in the convolutions for one image's forward pass."""
    model = config.model
    side = config.dataset.resolution or DATASETS[config.dataset.name].side or _USUAL_SIDE
    total = 0.0
    if isinstance(model, ResNetConfig):
        n, channels = (model.depth - 2) // 6, model.width
        total += 9 * 3 * channels * side**2
        for stage in range(3):
            wide = model.width * 2**stage
            area = math.ceil(side / 2**stage) ** 2
            total += 9 * area * (channels * wide + (2 * n - 1) * wide * wide)
            channels = wide
    elif isinstance(model, DenseNetConfig):
        n, growth, channels = (model.depth - 4) // 6, model.growth_rate, 2 * model.growth_rate
        total += 9 * 3 * channels * side**2
        for block in range(3):
            area = math.ceil(side / 2**block) ** 2
            for _ in range(n):
                total += area * (channels * 4 * growth + 9 * 4 * growth * growth)
                channels += growth
            if block < 2:
                total += area * channels * (channels // 2)
                channels //= 2
    return total


def work(config: RunConfig) -> float:
    """Floating-point operations of a whole run, including evaluations; a guess for an image folder."""
    dataset, training = config.dataset, config.training
    train, test = DATASETS[dataset.name].images or _USUAL_IMAGES
    if dataset.per_class is not None:
        train = min(train, dataset.per_class * (DATASETS[dataset.name].classes or _USUAL_CLASSES))
    evaluations = math.ceil(training.epochs / training.evaluate_every)
    images = _PASSES * train * training.epochs + (_READINGS * train + test) * evaluations
    return 2.0 * images * _forward(config)


def kind(config: RunConfig) -> Kind:
    """What determines a run's pace: images, model and batch size."""
    values = scientific_config(config)
    dataset = values["dataset"]
    model = sorted(values["model"].items())
    return (dataset["name"], dataset["per_class"], dataset["resolution"], *model, values["training"]["batch_size"])


class Load(NamedTuple):
    """What determines how long a run takes."""

    kind: Kind
    epochs: int
    operations: float


def load(config: RunConfig) -> Load:
    """A run's load; a sweep computes it once per run, because it goes through its pending runs whenever one ends."""
    return Load(kind(config), config.training.epochs, work(config))


class _Rate(NamedTuple):
    """What a measured run took, or medians of that over the runs of a kind."""

    seconds_per_epoch: float
    seconds_per_operation: float
    operations: float


def this_device() -> Device:
    """What runs are trained on here, as far as can be known without torch."""
    return "a CPU" if shutil.which("nvidia-smi") is None else "a GPU"


def device_of(record: Record) -> Device:
    """What trained a record, in its last session."""
    return "a CPU" if on_cpu(record.environment) else "a GPU"


class Pace:
    """How long runs took, by kind.

    Attributes:
        device: what they were trained on.
    """

    def __init__(self) -> None:
        self.device = this_device()
        self._measured: dict[Kind, list[_Rate]] = {}
        self._medians: dict[Kind, _Rate] = {}

    @classmethod
    def of_records(cls, records: Mapping[str, Record]) -> "Pace":
        """The pace of a store's completed runs that were trained on such a device as is here; of all, if none was.

        A GPU can be a hundred times as fast as a CPU, so the runs of one say nothing about the other.
        """
        pace = cls()
        completed = [record for record in records.values() if record.outcome.status == "completed"]
        alike = [record for record in completed if device_of(record) == pace.device]
        if completed and not alike:
            pace.device = device_of(completed[0])
        for record in alike or completed:
            pace.add(config_of_values(record.config), _seconds(record))
        return pace

    def add(self, config: RunConfig, seconds: float) -> None:
        """Add a whole run that took `seconds`."""
        of = load(config)
        rate = _Rate(seconds / of.epochs, seconds / of.operations, of.operations)
        self._measured.setdefault(of.kind, []).append(rate)
        self._medians.pop(of.kind, None)

    def _median(self, of: Kind) -> _Rate:
        """The medians over the measured runs of a kind, computed when they are first asked for."""
        if of not in self._medians:
            self._medians[of] = _Rate(*map(statistics.median, zip(*self._measured[of], strict=True)))
        return self._medians[of]

    def seconds(self, of: Load) -> float | None:
        """Expected seconds of a run: from runs of its kind, otherwise from its operations and the pace of the most
        similar runs. None before any run was measured.
        """
        if not self._measured:
            return None
        if of.kind in self._measured:
            return self._median(of.kind).seconds_per_epoch * of.epochs
        nearest = min(
            map(self._median, self._measured), key=lambda rate: abs(math.log(of.operations / rate.operations))
        )
        return of.operations * nearest.seconds_per_operation


def _seconds(record: Record) -> float:
    """Seconds of training; a record's wall time covers only its last session, its throughput all sessions."""
    timing: Mapping[str, Any] = record.timing
    images = record.config["training"]["epochs"] * record.split_sizes.get("train", 0)
    rate = timing.get("images_per_second", 0.0)
    return max(float(timing["wall_seconds"]), images / float(rate) if rate else 0.0)
