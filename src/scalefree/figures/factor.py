"""A factor that an experiment varies besides the optimizer: its place in the configuration and on an axis."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scalefree.experiments import Setting
from scalefree.experiments.results import setting_config


@dataclass(frozen=True)
class Factor:
    """One configuration key whose values stand along an x axis.

    Attributes:
        label: of the axis.
        section, field: the key, e.g. "model" and "depth".
        places: from the values that occur to their positions, in axis order.
        tick: how one value is written.
    """

    label: str
    section: str
    field: str
    places: Callable[[Sequence[Any]], dict[Any, float]]
    tick: Callable[[Any], str]

    def value(self, setting: Setting) -> Any:
        """The factor's value in a setting."""
        return getattr(getattr(setting.config, self.section), self.field)

    def groups(self, settings: Sequence[Setting]) -> list[list[tuple[float, Setting]]]:
        """Settings that differ in nothing but the factor, with their places, ascending."""
        places = self.places([self.value(setting) for setting in settings])
        groups: dict[str, list[tuple[float, Setting]]] = {}
        for setting in settings:
            config = copy.deepcopy(setting_config(setting.config))
            setattr(getattr(config, self.section), self.field, None)
            groups.setdefault(repr(config), []).append((places[self.value(setting)], setting))
        return [sorted(group, key=lambda item: item[0]) for group in groups.values()]

    def ticks(self, group: Sequence[tuple[float, Setting]]) -> list[str]:
        """What is written under the places of a group."""
        return [self.tick(self.value(setting)) for _, setting in group]
