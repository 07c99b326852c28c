"""The same cell trained twice, with one thing changed: how far the two final test errors lie apart."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from scalefree.claims.advantage import TRAINED, errors
from scalefree.experiments import Point


class Pair(NamedTuple):
    """Errors in points, without and with the change."""

    first: float
    second: float

    @property
    def apart(self) -> float:
        """The absolute difference."""
        return abs(self.first - self.second)

    @property
    def trained(self) -> bool:
        """Whether either run got anywhere; where none did, they are trivially alike."""
        return min(self) <= TRAINED


# Step size, decay, seed.
Place = tuple[float, float, int]


def matched(first: Sequence[Point], second: Sequence[Point]) -> list[tuple[Point, Point]]:
    """Points of equal step size and equal decay above 0: without decay all optimizers are one algorithm."""
    others = {(point.lr, point.weight_decay): point for point in second}
    cells = [(point, others.get((point.lr, point.weight_decay))) for point in first if point.weight_decay > 0]
    return [(point, other) for point, other in cells if other is not None]


def pairs(first: Sequence[Point], second: Sequence[Point]) -> dict[Place, Pair]:
    """A pair for every cell with a decay and every seed that both sides have."""
    found = {}
    for point, other in matched(first, second):
        without, changed = errors(point), errors(other)
        for seed in sorted(without.keys() & changed.keys()):
            found[point.lr, point.weight_decay, seed] = Pair(without[seed], changed[seed])
    return found


def seed_pairs(points: Sequence[Point]) -> list[Pair]:
    """Every two seeds of the same cell with a decay: what changing nothing but the seed does."""
    decayed = [point for point in points if point.weight_decay > 0]
    return [Pair(*two) for point in decayed for two in combinations(errors(point).values(), 2)]
