"""How configurations are written for a reader: optimizers, data sets, models, cells, settings, numbers."""

from collections.abc import Iterable, Sequence

from scalefree.config import DatasetConfig, DenseNetConfig, ModelConfig, ResNetConfig, RunConfig
from scalefree.experiments.results import Point
from scalefree.records import model_label

OPTIMIZERS = {
    "adaml2": "Adam-l2",
    "adamw": "AdamW",
    "adamprox": "AdamProx",
    "adam_metric_prox": "metric prox",
    "adam_scaled_l2": "scaled Adam-l2",
}
DATASETS = {"digits": "Digits 8x8", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "image_folder": "image folder"}
CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100}
MODELS = {"resnet": "ResNet", "densenet": "DenseNet-BC"}
INITIALIZATIONS = {"kaiming": "Kaiming", "zero_last": "zero last conv.", "fixup": "Fixup"}


def number(value: float) -> str:
    """A step size, decay or eps as the paper writes it: 5e-4, 0."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def optimizer_name(label: str) -> str:
    """`scaled Adam-l2 by layer` for `adam_scaled_l2_by_layer`; one that is not known stands for itself."""
    name, by, granularity = label.partition("_by_")
    return f"{OPTIMIZERS.get(name, name)}{by.replace('_', ' ')}{granularity}"


def cell_name(point: Point) -> str:
    """`(2e-3, 1e-4)`: step size and decay."""
    return f"({number(point.lr)}, {number(point.weight_decay)})"


def dataset_name(dataset: DatasetConfig) -> str:
    """`CIFAR-10`, `CIFAR-10 at 16x16 (500 images per class)`."""
    name = DATASETS[dataset.name]
    if dataset.resolution not in (None, 32):
        name += f" at {dataset.resolution}x{dataset.resolution}"
    return name if dataset.per_class is None else f"{name} ({dataset.per_class} images per class)"


def _either(values: Iterable[int]) -> str:
    return " or ".join(f"{value:,}" for value in sorted(set(values)))


def scope(profile: str, points: Sequence[Point]) -> str:
    """`Digits 8x8, profile digits, 32 epochs of batch 32, 20 seeds`: what some runs speak about."""
    if not points:
        return f"profile {profile}"
    configs = [point.results[0].config for point in points]
    datasets = " and ".join(dict.fromkeys(dataset_name(config.dataset) for config in configs))
    epochs = _either(config.training.epochs for config in configs)
    batches = _either(config.training.batch_size for config in configs)
    seeds = _either(len(point.results) for point in points)
    return f"{datasets}, profile {profile}, {epochs} epochs of batch {batches}, {seeds} seed{'s' * (seeds != '1')}"


def chance_error(dataset: DatasetConfig) -> float | None:
    """The error in [0, 1] of guessing among balanced classes; None where their number is not known."""
    classes = CLASSES.get(dataset.name)
    return None if classes is None else 1 - 1 / classes


def width_name(model: ModelConfig) -> str:
    """`width 8`; empty for the usual width."""
    if isinstance(model, ResNetConfig) and model.width != 16:
        return f"width {model.width}"
    if isinstance(model, DenseNetConfig) and model.growth_rate != 12:
        return f"growth {model.growth_rate}"
    return ""


def _aspects(config: RunConfig) -> dict[str, str]:
    """What a setting is, aspect by aspect; an empty string for the usual value."""
    model = config.model
    initialization = model.initialization if isinstance(model, ResNetConfig) else "kaiming"
    multiplier = config.training.loss_multiplier
    return {
        "model": f"{MODELS[model.name]}-{model.depth}",
        "width": width_name(model),
        "batch_norm": "with BN" if model.batch_norm else "without BN",
        "initialization": "" if initialization == "kaiming" else INITIALIZATIONS[initialization],
        "dataset": dataset_name(config.dataset),
        "schedule": "" if config.schedule.name == "constant" else config.schedule.name,
        "loss": "" if multiplier == 1 else f"loss x{multiplier:g}",
        "eps": "" if config.optimizer.eps == 1e-8 else f"eps {number(config.optimizer.eps)}",
    }


def setting_name(config: RunConfig, without: str | None = None) -> str:
    """`ResNet-110 without BN, CIFAR-10, cosine`: all that sets a setting apart, but for the aspect `without`."""
    aspects = {key: "" if key == without else text for key, text in _aspects(config).items()}
    head = " ".join(aspects.pop(key) for key in ("model", "batch_norm"))
    return ", ".join([head, *(text for text in aspects.values() if text)])


def row_names(configs: Sequence[RunConfig]) -> list[list[str]]:
    """For rows of one figure: the model's name and whatever differs between the rows, one line each."""
    aspects = [_aspects(config) for config in configs]
    differing = [key for key in aspects[0] if len({of[key] for of in aspects}) > 1] if aspects else []
    usual = {
        "width": "usual width",
        "schedule": "constant",
        "loss": "loss x1",
        "eps": "eps 1e-8",
        "initialization": "Kaiming",
    }
    keys = [key for key in aspects[0] if key == "model" or key in differing] if aspects else []
    return [[of[key] or usual[key] for key in keys] for of in aspects]


def slugs(configs: Sequence[RunConfig]) -> list[str]:
    """File name endings, one a setting and all different: the model's label and what is unusual about it."""
    found: list[str] = []
    for config in configs:
        aspects = _aspects(config)
        unusual = [aspects[key].replace(" ", "") for key in ("schedule", "loss", "eps") if aspects[key]]
        found.append("-".join([model_label(config), *unusual]))
    if len(set(found)) < len(found):
        found = [f"{config.dataset.name}-{slug}" for config, slug in zip(configs, found, strict=True)]
    if len(set(found)) < len(found):
        found = [f"{slug}-{number}" for number, slug in enumerate(found, 1)]
    return found
