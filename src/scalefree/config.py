"""The typed configuration of a run, checked before any work starts.

A run is a pure function of the *scientific* keys of this configuration. The machine keys (`device`, `runner`,
`tracking`, `results_dir` and `dataset.root`) say where and how it is computed; they are not part of its identity and
never change its result beyond floating-point rounding.

Hydra composes the YAML groups under `configs/` onto these dataclasses, so a misspelt key or a value of the
wrong type is refused by OmegaConf; `validate` refuses values that have the right type but make no sense.
This module imports neither torch nor Hydra: `train.py --help` and the figures need nothing else.
"""

import copy
import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, get_args, get_origin

from scalefree.datasets import DATASETS
from scalefree.decay_conventions import CONVENTIONS, convention_of
from scalefree.depths import check_densenet_depth, check_resnet_depth
from scalefree.optimizers import COARSER, OPTIMIZERS
from scalefree.paths import written_path
from scalefree.wandb_names import check_wandb_address, check_wandb_labels

# The largest imbalance between layers, in decades to either side: float32 has 38.
MOST_DECADES = 8
GRANULARITIES = ("coordinate", *COARSER)
DECAYS = ("own", "lambda")
# Limits on an optimizer's own arguments, set by what a record can hold.
MOST_NESTED = 4
LONGEST_TEXT = 1000
# Keys whose value is a mapping with arbitrary names.
OPEN = ("optimizer.arguments",)
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("fp32", "tf32", "bf16")
DEVICES = ("auto", "cpu", "cuda")
RUNNERS = ("auto", "plain", "fast", "compiled")
TRACKING_MODES = ("offline", "online", "none")
INITIALIZATIONS = ("kaiming", "zero_last", "fixup")

# float32's smallest normal number and its largest.
SMALLEST_NORMAL, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127

# Where and how a run is computed, as dotted keys: excluded from its identity.
MACHINE_KEYS = ("device", "runner", "results_dir", "tracking", "dataset.root")


class ConfigError(ValueError):
    """An impossible configuration; the message names the key, the value and what to do."""


@dataclass
class DatasetConfig:
    name: str = "digits"
    root: str | None = None
    # Pixels of zero padding before the random crop; 0 disables the crop.
    crop_padding: int = 1
    horizontal_flip: bool = False
    # Fraction of each class of the training split held out for choosing hyperparameters.
    validation_fraction: float = 0.0
    # Use only this many training images per class; the test split is not affected.
    per_class: int | None = None
    # Only for CIFAR: 16 or 8 averages the images over blocks of 2x2 or 4x4 pixels; 32 or null leaves them as they are.
    resolution: int | None = None
    # Only for image_folder: identifies the images. Filled in when they are read; checked if given.
    fingerprint: str | None = None


@dataclass
class ModelConfig:
    name: str
    depth: int
    batch_norm: bool


@dataclass
class ResNetConfig(ModelConfig):
    name: str = "resnet"
    depth: int = 20
    batch_norm: bool = True
    width: int = 16
    initialization: str = "kaiming"


@dataclass
class DenseNetConfig(ModelConfig):
    name: str = "densenet"
    depth: int = 100
    batch_norm: bool = True
    growth_rate: int = 12


@dataclass
class OptimizerConfig:
    name: str = "adamw"
    # alpha, the initial step size.
    lr: float = 1e-3
    # lambda, the paper's decay, not multiplied by alpha in AdamW and AdamProx.
    weight_decay: float = 0.0
    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    eps: float = 1e-8
    # Only for adam_scaled_l2: the group of coordinates that shares one gradient scale, by which the decay is
    # multiplied.
    granularity: str = "coordinate"
    # Only for adamw: layer k decays by lambda times c_k, where the c_k are spaced evenly in the logarithm from 10^-w to
    # 10^w in a fixed random order; w = 0 is one lambda for all.
    decay_unbalance: float = 0.0
    # Only for torch: the class, such as torch.optim.NAdam, and its arguments besides lr and weight_decay.
    target: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    # Only for torch: whether weight_decay is the optimizer's `own` value or the paper's `lambda`, which is converted.
    decay: str = "own"


# The keys that only some optimizers take, with their neutral values; the table of optimizers says which take them.
OPTIONS: dict[str, Any] = {
    key: value
    for key, value in vars(OptimizerConfig()).items()
    if any(key in row.options for row in OPTIMIZERS.values())
}


@dataclass
class ScheduleConfig:
    name: str = "constant"


@dataclass
class TrainingConfig:
    epochs: int = 300
    batch_size: int = 128
    loss_multiplier: float = 1.0
    # Multiply layer k's gradients by c_k, spaced from 10^-w to 10^w as in `optimizer.decay_unbalance`: a loss
    # multiplier that differs from layer to layer.
    gradient_unbalance: float = 0.0
    # Evaluate every this many epochs, and after the last; in between, the curves are NaN.
    evaluate_every: int = 1
    # Epochs (from 1) at whose first step the update scales are measured; the last epoch is always added.
    histogram_epochs: list[int] = field(default_factory=lambda: [1, 2, 5, 10, 20, 50, 100, 200])


@dataclass
class TrackingConfig:
    mode: str = "offline"
    project: str = "scalefree"
    entity: str | None = None
    # wandb's group: the experiment's name if the run belongs to one.
    group: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass
class RunConfig:
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    # A ResNetConfig or a DenseNetConfig.
    model: ModelConfig = field(default_factory=ResNetConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    seed: int = 0
    # Replicas of a run differ only in rounding: 1, 2, ... take the images of each batch in a different order.
    replica: int = 0
    precision: str = "fp32"
    device: str = "auto"
    runner: str = "auto"
    results_dir: str = "results"


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{key}={value} is unknown; choose one of {', '.join(allowed)}")


def _whole(key: str, value: int, least: int, most: int = 2**31 - 1) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{key}={value} is impossible; it must be a whole number from {least} to {most}")


def _at_least(key: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise ConfigError(f"{key}={value:g} is impossible; it must be a finite number of at least {least:g}")


def _positive(key: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{key}={value:g} is impossible; it must be a finite number above 0")
    _in_float32(key, value)


def _in_float32(key: str, value: float) -> None:
    """Networks compute in float32, where smaller numbers than the smallest normal one lose precision or become 0."""
    if value != 0 and not SMALLEST_NORMAL <= abs(value) <= LARGEST:
        raise ConfigError(
            f"{key}={value:g} is impossible; in float32 it must be 0 or from {SMALLEST_NORMAL:.3g} to {LARGEST:.3g}"
        )


def _is_path(key: str, value: str) -> None:
    try:
        written_path(key, value)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _validate_dataset(dataset: DatasetConfig) -> None:
    _one_of("dataset.name", dataset.name, tuple(DATASETS))
    row = DATASETS[dataset.name]
    _whole("dataset.crop_padding", dataset.crop_padding, 0, 1024)
    if not 0 <= dataset.validation_fraction < 1:
        raise ConfigError(
            f"dataset.validation_fraction={dataset.validation_fraction:g} is impossible; "
            "it must be in [0, 1), where 0 means no validation split"
        )
    if dataset.per_class is not None:
        _whole("dataset.per_class", dataset.per_class, 1)
    if dataset.resolution is not None:
        sides = ", ".join(map(str, row.resolutions))
        if not row.resolutions:
            whose = " and ".join(key for key, of in DATASETS.items() if of.resolutions)
            raise ConfigError(f"dataset.resolution is only for {whose}; {dataset.name} has one size")
        if dataset.resolution not in row.resolutions:
            raise ConfigError(f"dataset.resolution={dataset.resolution} is impossible; choose one of {sides}")
    if dataset.root is not None:
        _is_path("dataset.root", dataset.root)
    if dataset.name == "image_folder" and dataset.root is None:
        raise ConfigError(
            "dataset=image_folder needs dataset.root=DIR, a folder that contains train/<class>/*.png and "
            "test/<class>/*.png"
        )
    if dataset.fingerprint is not None and dataset.name != "image_folder":
        raise ConfigError(f"dataset.fingerprint is only for dataset=image_folder; leave it out for {dataset.name}")


def _validate_model(model: ModelConfig) -> None:
    architecture = "resnet" if isinstance(model, ResNetConfig) else "densenet"
    if model.name != architecture:
        raise ConfigError(
            f"model.name={model.name} does not match the model; choose with model=resnet or model=densenet"
        )
    try:
        if isinstance(model, ResNetConfig):
            check_resnet_depth(model.depth)
        else:
            check_densenet_depth(model.depth)
    except ValueError as error:
        raise ConfigError(f"model.{error}") from None
    _whole("model.depth", model.depth, 1, 10_000)
    if isinstance(model, ResNetConfig):
        _whole("model.width", model.width, 1, 4096)
        _one_of("model.initialization", model.initialization, INITIALIZATIONS)
        if model.initialization == "fixup" and model.batch_norm:
            raise ConfigError(
                "model.initialization=fixup is for networks without normalisation; set model.batch_norm=false"
            )
    if isinstance(model, DenseNetConfig):
        _whole("model.growth_rate", model.growth_rate, 1, 4096)


def _validate_optimizer(optimizer: OptimizerConfig) -> None:
    _one_of("optimizer.name", optimizer.name, tuple(OPTIMIZERS))
    _positive("optimizer.lr", optimizer.lr)
    for key in ("weight_decay", "eps"):
        _at_least(f"optimizer.{key}", getattr(optimizer, key), 0)
        _in_float32(f"optimizer.{key}", getattr(optimizer, key))
    if len(optimizer.betas) != 2 or not all(0 <= beta < 1 for beta in optimizer.betas):
        raise ConfigError(f"optimizer.betas={optimizer.betas} is impossible; give two numbers in [0, 1)")
    _one_of("optimizer.granularity", optimizer.granularity, GRANULARITIES)
    _unbalance("optimizer.decay_unbalance", optimizer.decay_unbalance)
    _one_of("optimizer.decay", optimizer.decay, DECAYS)
    options = OPTIMIZERS[optimizer.name].options
    for key, nothing in OPTIONS.items():
        if getattr(optimizer, key) != nothing and key not in options:
            whose = " and ".join(row.key for row in OPTIMIZERS.values() if key in row.options)
            raise ConfigError(f"optimizer.{key} is only for optimizer={whose}, not for {optimizer.name}; leave it out")
    if "target" in options:
        _validate_target(optimizer)


def _validate_target(optimizer: OptimizerConfig) -> None:
    """Check what can be checked of a torch optimizer without torch; `training.any_torch` tries the class itself."""
    if optimizer.target is None:
        raise ConfigError("optimizer=torch needs optimizer.target=CLASS, for example torch.optim.NAdam")
    if re.fullmatch(r"[a-z_]\w*(\.[a-z_]\w*)+", optimizer.target, re.ASCII | re.IGNORECASE) is None:
        raise ConfigError(
            f"optimizer.target={optimizer.target} is not the full name of a class; give one such as torch.optim.NAdam"
        )
    for key in ("betas", "eps"):
        if getattr(optimizer, key) != getattr(OptimizerConfig(), key):
            raise ConfigError(
                f"optimizer.{key} is not passed to optimizer.target; write 'optimizer.arguments={{{key}: ...}}'"
            )
    _check_plain("optimizer.arguments", optimizer.arguments)
    for key in optimizer.arguments:
        if key in ("lr", "weight_decay"):
            raise ConfigError(f"optimizer.arguments has {key}; set optimizer.{key} instead")
        if key == "params" or not key.isidentifier():
            raise ConfigError(f"optimizer.arguments has {key!r}, which cannot be the name of an argument; remove it")


def _validate_conversion(optimizer: OptimizerConfig, schedule: str) -> None:
    """Refuse the paper's lambda for optimizers whose convention for the decay is not known."""
    if optimizer.decay != "lambda":
        return
    assert optimizer.target is not None
    name = convention_of(optimizer.target, optimizer.arguments)
    if name is None:
        raise ConfigError(
            f"optimizer.decay=lambda: it is not known how {optimizer.target} with these arguments writes the paper's "
            "lambda; docs/optimizers.md lists what is known, and optimizer.decay=own passes weight_decay unchanged"
        )
    if CONVENTIONS[name].schedule != "eta" and schedule != "constant":
        raise ConfigError(
            f"optimizer.decay=lambda: the decay of {optimizer.target} with these arguments does not follow "
            f"schedule={schedule} as the paper's does; use schedule=constant"
        )


def _unbalance(key: str, decades: float) -> None:
    if not 0 <= decades <= MOST_DECADES:
        raise ConfigError(
            f"{key}={decades:g} is impossible; it must be a number of decades from 0 (none) to {MOST_DECADES}"
        )


def _validate_tracking(tracking: TrackingConfig) -> None:
    _one_of("tracking", tracking.mode, TRACKING_MODES)
    try:
        check_wandb_address(tracking.project, tracking.entity)
        check_wandb_labels(tracking.group, tracking.tags)
    except ValueError as error:
        raise ConfigError(f"tracking.{error}") from None


def validate(config: RunConfig) -> None:
    """Refuse impossible configurations, naming the key.

    Raises:
        ConfigError: one line saying which key is wrong and what is allowed.
    """
    _validate_dataset(config.dataset)
    _validate_model(config.model)
    _validate_optimizer(config.optimizer)
    _one_of("schedule", config.schedule.name, SCHEDULES)
    _validate_conversion(config.optimizer, config.schedule.name)
    _whole("training.epochs", config.training.epochs, 1)
    _whole("training.batch_size", config.training.batch_size, 1)
    _whole("training.evaluate_every", config.training.evaluate_every, 1)
    _positive("training.loss_multiplier", config.training.loss_multiplier)
    _unbalance("training.gradient_unbalance", config.training.gradient_unbalance)
    if any(not 1 <= epoch < 2**31 for epoch in config.training.histogram_epochs):
        raise ConfigError(
            "training.histogram_epochs must be epochs from 1 upwards; leave it empty to measure only the last"
        )
    _whole("seed", config.seed, 0, 2**63 - 1)
    _whole("replica", config.replica, 0)
    _one_of("precision", config.precision, PRECISIONS)
    _one_of("device", config.device, DEVICES)
    _one_of("runner", config.runner, RUNNERS)
    _validate_tracking(config.tracking)
    _is_path("results_dir", config.results_dir)


def _typed(key: str, value: Any, kind: Any) -> Any:
    """The value in its declared type: ints become floats, including in lists, so that 0 and 0.0 are the same."""
    if get_origin(kind) is UnionType:
        if value is None:
            return None
        kind = get_args(kind)[0]
    if get_origin(kind) is list and isinstance(value, list):
        return [_typed(key, element, get_args(kind)[0]) for element in value]
    if get_origin(kind) is dict and isinstance(value, dict):
        _check_plain(key, value)
        return copy.deepcopy(value)
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"{key} is larger than any floating-point number; give a smaller one") from None
    if kind is not type(value):
        raise ConfigError(f"{key}={value!r} has the wrong type; expected {getattr(kind, '__name__', kind)}")
    return value


def _check_plain(key: str, value: Any, depth: int = MOST_NESTED) -> None:
    """Refuse values that JSON, YAML or a record cannot represent: records keep the value and the identity hashes it."""
    if isinstance(value, dict | list) and depth:
        inside = list(value.items()) if isinstance(value, dict) else [("", element) for element in value]
        for name, element in inside:
            if not isinstance(name, str) or len(name) > LONGEST_TEXT:
                raise ConfigError(f"{key} has the key {name!r:.80}; give names of at most {LONGEST_TEXT} characters")
            _check_plain(key, element, depth - 1)
    elif isinstance(value, dict | list):
        raise ConfigError(f"{key} is nested more than {MOST_NESTED} levels deep; make it flatter")
    elif isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ConfigError(f"{key} has a string of {len(value):,} characters; the limit is {LONGEST_TEXT}")
    elif not (value is None or isinstance(value, bool | int | float | str)):
        raise ConfigError(
            f"{key} contains {value!r}; give numbers, strings, true, false, null, or lists or mappings of them"
        )
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} contains {value}, which is not a finite number; give a finite one")
    elif isinstance(value, int) and abs(value) > 2**53:
        raise ConfigError(
            f"{key} contains an integer beyond 2^53, which some readers cannot represent; give a smaller one"
        )


def with_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """A copy of `config` with dotted keys replaced, e.g. {"optimizer.lr": 1e-3}; ints become floats where declared.

    Raises:
        ConfigError: an unknown key or a value of the wrong type.
    """
    copy = dataclasses.replace(
        config,
        **{
            name: dataclasses.replace(getattr(config, name))
            for name in ("dataset", "model", "optimizer", "schedule", "training", "tracking")
        },
    )
    for key, value in values.items():
        *parents, leaf = key.split(".")
        node: Any = copy
        for parent in parents:
            node = getattr(node, parent, None)
        kinds: dict[str, Any] = (
            {f.name: f.type for f in dataclasses.fields(node)} if dataclasses.is_dataclass(node) else {}
        )
        if leaf not in kinds:
            raise ConfigError(f"{key} is not a key of a run; {type(node).__name__} has {', '.join(kinds) or 'none'}")
        setattr(node, leaf, _typed(key, value, kinds[leaf]))
    return copy
