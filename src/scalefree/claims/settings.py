"""Which settings belong together: the same but for the factor that a claim is about."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from scalefree.config import MACHINE_KEYS, RunConfig, to_dict
from scalefree.experiments import Setting
from scalefree.experiments.results import setting_config


def kind(config: RunConfig, *without: str) -> str:
    """What a setting is, apart from the dotted keys `without`: equal for settings that differ in nothing else."""
    values = to_dict(setting_config(config))
    for key in (*MACHINE_KEYS, *without):
        *parents, leaf = key.split(".")
        node = values
        for parent in parents:
            node = node[parent]
        node.pop(leaf, None)
    return repr(values)


def factor(config: RunConfig, key: str) -> Any:
    """The value of a dotted key; None where a model has no such field."""
    node: Any = config
    for name in key.split("."):
        node = getattr(node, name, None)
    return node


def initialization(config: RunConfig) -> str:
    """Of a ResNet; DenseNet has only one."""
    return str(factor(config, "model.initialization") or "kaiming")


def groups(settings: Iterable[Setting], key: str) -> list[dict[Any, Setting]]:
    """Settings that differ in `key` alone, by its value."""
    found: dict[str, dict[Any, Setting]] = {}
    for setting in settings:
        found.setdefault(kind(setting.config, key), {})[factor(setting.config, key)] = setting
    return list(found.values())


def by_depth(settings: Sequence[Setting]) -> list[Setting]:
    """The largest set of settings that differ in depth alone, shallowest first."""
    largest = max(groups(settings, "model.depth"), key=len, default={})
    return [largest[depth] for depth in sorted(largest)]


def doublings(settings: Sequence[Setting]) -> list[float]:
    """log2 of each depth."""
    return [math.log2(setting.config.model.depth) for setting in settings]
