"""What differs between runs, as choices on the page: one facet per key of the configuration that varies."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalefree.datasets import DATASETS
from scalefree.experiments.names import INITIALIZATIONS, MODELS, number
from scalefree.optimizers import IN_METHOD, Optimizer, look, method, place
from scalefree.records.printable import printable

# Readable names of keys; other keys are shown as they are.
LABELS = {
    "optimizer": "Optimizer",
    "dataset.name": "Data",
    "dataset.resolution": "Resolution",
    "dataset.per_class": "Images per class",
    "dataset.crop_padding": "Crop padding",
    "dataset.horizontal_flip": "Mirrored",
    "dataset.validation_fraction": "Share held out",
    "model.name": "Architecture",
    "model.depth": "Depth",
    "model.batch_norm": "BatchNorm",
    "model.width": "Width",
    "model.growth_rate": "Growth rate",
    "model.initialization": "Initialization",
    "optimizer.lr": "Step size",
    "optimizer.weight_decay": "Decay",
    "optimizer.eps": "eps",
    "optimizer.decay_unbalance": "Decades between decays",
    "schedule.name": "Schedule",
    "training.epochs": "Epochs",
    "training.batch_size": "Batch",
    "training.loss_multiplier": "Loss times",
    "training.gradient_unbalance": "Decades between gradients",
    "precision": "Precision",
    "replica": "Replica",
    "seed": "Seed",
}
# These only decide when a run was measured.
_LEFT_OUT = ("training.evaluate_every", "training.histogram_epochs")
_NAMES: dict[str, Mapping[Any, str]] = {
    "dataset.name": {key: row.label for key, row in DATASETS.items()},
    "model.name": MODELS,
    "model.initialization": INITIALIZATIONS,
}
_AS_POWERS = ("optimizer.lr", "optimizer.weight_decay", "optimizer.eps")


@dataclass(frozen=True)
class Facet:
    """A key by which runs differ.

    Attributes:
        values: its values as text, in the order in which they are offered.
        at: the index in `values` of each run's value.
        ordered: whether the values are numbers, so that colours can follow their order.
        styles: the look of each value, if they are methods.
    """

    key: str
    label: str
    values: tuple[str, ...]
    at: tuple[int, ...]
    ordered: bool
    styles: tuple[Optimizer, ...] = ()


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """A scientific configuration by dotted keys, with the method under `optimizer`."""
    optimizer = {key: value for key, value in config["optimizer"].items() if key not in ("name", *IN_METHOD)}
    rest = {key: value for key, value in config.items() if key != "optimizer"}
    return {"optimizer": method(config["optimizer"]), **dict(_flat({"optimizer": optimizer, **rest}))}


def _word(key: str, value: Any) -> str:
    if key == "optimizer":
        return printable(look(value).label, 80)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in _AS_POWERS:
        return number(value)
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return printable(str(_NAMES.get(key, {}).get(value, value) if isinstance(value, str) else value), 80)


def _rank(key: str, value: Any) -> tuple[Any, ...]:
    """Sort key: numbers by size, then methods in the figures' order or words alphabetically; missing values last."""
    if value is None:
        return (2,)
    if isinstance(value, bool | int | float):
        return (0, value)
    return (1, *place(value)) if key == "optimizer" else (1, str(value))


def _distinct(words: Sequence[str]) -> tuple[str, ...]:
    """The words, with a number added to repeated ones, which occur because long words were cut."""
    seen: Counter[str] = Counter()
    made = []
    for word in words:
        seen[word] += 1
        made.append(word if seen[word] == 1 else f"{word} ({seen[word]})")
    return tuple(made)


def facets(configs: Sequence[Mapping[str, Any]]) -> tuple[list[Facet], dict[str, str]]:
    """The keys that vary among scientific configurations, and the common values of the others that have a label."""
    flat = [_keys(config) for config in configs]
    # Keys with a label come first, in their order.
    found = dict.fromkeys([*LABELS, *(key for keys in flat for key in sorted(keys))])
    varying, same = [], {}
    for key in found:
        if key in _LEFT_OUT:
            continue
        own = [_rank(key, keys.get(key)) for keys in flat]
        of_rank = {rank: keys.get(key) for rank, keys in zip(own, flat, strict=True)}
        ranks = sorted(of_rank)
        words = _distinct([_word(key, of_rank[rank]) for rank in ranks])
        if len(words) > 1:
            at = tuple(map(ranks.index, own))
            is_ordered = sum(rank[0] == 0 for rank in ranks) > 1 and key != "model.batch_norm"
            styles = tuple(look(str(of_rank[rank])) for rank in ranks) if key == "optimizer" else ()
            varying.append(Facet(key, LABELS.get(key, printable(key, 80)), words, at, is_ordered, styles))
        elif words and words != ("none",) and key in LABELS:
            same[LABELS[key]] = words[0]
    return varying, same
