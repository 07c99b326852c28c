"""Values by seed and their paired differences.

All runs at one seed share initialisation, batches and augmentation, so runs are compared seed by seed.
"""

from collections.abc import Callable, Mapping


class SeedValues(dict[int, float]):
    """One number per seed; arithmetic keeps only the seeds that both sides have."""

    def _with(self, other: Mapping[int, float], combine: Callable[[float, float], float]) -> "SeedValues":
        return SeedValues({seed: combine(self[seed], other[seed]) for seed in sorted(self.keys() & other.keys())})

    def __add__(self, other: Mapping[int, float]) -> "SeedValues":
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Mapping[int, float]) -> "SeedValues":
        return self._with(other, lambda a, b: a - b)

    def __truediv__(self, divisor: float) -> "SeedValues":
        return SeedValues({seed: value / divisor for seed, value in self.items()})

    def __abs__(self) -> "SeedValues":
        return SeedValues({seed: abs(value) for seed, value in self.items()})

    @property
    def mean(self) -> float:
        """Mean over the seeds; there must be at least one."""
        return sum(self.values()) / len(self)
