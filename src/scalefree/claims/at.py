"""The runs of one network by method, for writing a claim as arithmetic: `at("adaml2") - at("adamw")`."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

from scalefree.experiments.arms import Arm, Network
from scalefree.experiments.evidence import Evidence, Missing, describe, errors
from scalefree.experiments.frozen import Cell
from scalefree.experiments.pairs import SeedValues
from scalefree.experiments.results import Point


@dataclass
class At:
    """The runs of one network, by method; remembers which cells were used.

    Attributes:
        chosen: the frozen cells that it took step size and decay from, by network and method.
        whole: whether every seed must be present, as for a claim; figures also show incomplete points.
    """

    evidence: Evidence
    network: Network
    used: dict[str, Point] = field(default_factory=dict)
    whole: bool = True
    chosen: dict[tuple[str, str], Cell] = field(default_factory=dict)

    def point(self, method: str, cell: str = "own", decay_times: float = 1.0, **unusual: float | str) -> Point:
        """A method's runs over all seeds; `unusual` sets fields of `Arm`.

        Raises:
            Missing: cells or seeds are missing.
        """
        arm = Arm(method, **unusual)  # type: ignore[arg-type]
        find = self.evidence.complete if self.whole else self.evidence.point
        found = find(self.network.label, arm, cell, decay_times)
        self.used[f"{self.network.label}: {describe(arm, cell)}"] = found
        wanted = method if cell == "own" else cell
        self.chosen[self.network.label, wanted] = self.evidence.frozen.cells[self.network.label][wanted]
        return found

    def __call__(self, method: str, cell: str = "own", decay_times: float = 1.0, **unusual: float | str) -> SeedValues:
        """Final test errors by seed, in points."""
        return errors(self.point(method, cell, decay_times, **unusual))

    def elsewhere(self, network: Network) -> "At":
        """The same for another network."""
        return dataclasses.replace(self, network=network)


class _AsPlanned(At):
    """Contains every run that the profile plans, without results."""

    def point(self, method: str, cell: str = "own", decay_times: float = 1.0, **unusual: float | str) -> Point:
        return self.evidence.planned(self.network.label, Arm(method, **unusual), cell)  # type: ignore[arg-type]


def is_asked(measure: Callable[[At], object], evidence: Evidence, network: Network) -> bool:
    """Whether the profile plans every run that `measure` uses, whatever has been trained and chosen so far."""
    try:
        measure(_AsPlanned(evidence, network))
    except Missing as lack:
        return lack.asked
    return True
