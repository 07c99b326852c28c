"""Cells with their records, grouped into points over seeds and settings, and the best cells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from scalefree.config import OptimizerConfig, RunConfig, with_values
from scalefree.experiments.grid import Cell, Experiment
from scalefree.optimizers import IN_METHOD, method
from scalefree.records import Record

# More images than any split has; errors over fewer images are distinguished exactly.
MOST_IMAGES = 10_000_000

Criterion = Literal["test", "validation"]
Status = Literal["missing", "partial", "diverged", "completed"]


@dataclass(frozen=True)
class Result:
    """A cell and its record, which is None if the run is not in the store or failed."""

    cell: Cell
    record: Record | None

    @property
    def config(self) -> RunConfig:
        """The cell's configuration."""
        return self.cell.config

    def error(self, criterion: Criterion) -> float | None:
        """Final error in [0, 1]; 2 for a diverged run, so that it is worse than any other; None if there is none."""
        if self.record is None:
            return None
        return self.record.test_error if criterion == "test" else self.record.validation_error


@dataclass(frozen=True)
class Point:
    """One (optimizer, lr, weight_decay) of a setting, over its seeds; `optimizer` is the method."""

    results: tuple[Result, ...]

    @property
    def optimizer(self) -> str:
        return method(vars(self.results[0].config.optimizer))

    @property
    def lr(self) -> float:
        return self.results[0].config.optimizer.lr

    @property
    def weight_decay(self) -> float:
        return self.results[0].config.optimizer.weight_decay

    @property
    def records(self) -> dict[int, Record]:
        """The existing records, by seed."""
        return {r.config.seed: r.record for r in self.results if r.record is not None}

    @property
    def status(self) -> Status:
        """`partial` while seeds are missing, `diverged` when any seed diverged."""
        records = self.records.values()
        if not records:
            return "missing"
        if len(records) < len(self.results):
            return "partial"
        return "diverged" if any(r.outcome.status == "diverged" for r in records) else "completed"

    def errors(self, criterion: Criterion = "test") -> dict[int, float]:
        """The existing final errors, by seed; 2 for a diverged run."""
        found = {r.config.seed: r.error(criterion) for r in self.results}
        return {seed: error for seed, error in found.items() if error is not None}

    def exact_error(self, criterion: Criterion = "test") -> Fraction | None:
        """The mean over the existing seeds, where a diverged one counts as 2; None if there are none.

        It is exact, so that ties stay ties: an error is a number of misclassified images over a number of images.
        """
        errors = [Fraction(error).limit_denominator(MOST_IMAGES) for error in self.errors(criterion).values()]
        return sum(errors, Fraction()) / len(errors) if errors else None


def best(points: Iterable[Point], criterion: Criterion) -> Point | None:
    """The point with the lowest mean error; ties go to the smaller decay, then the smaller step size. None if no
    errors.
    """
    judged = [(point.exact_error(criterion), point) for point in points]
    known = [(error, point.weight_decay, point.lr, point) for error, point in judged if error is not None]
    return min(known, key=lambda item: item[:3])[3] if known else None


@dataclass(frozen=True)
class Setting:
    """What stays the same while optimizer, step size, decay and seed vary: one heatmap per optimizer.

    Attributes:
        config: that of any of its cells; the optimizer, lr, weight_decay and seed in it are arbitrary.
    """

    config: RunConfig
    points: tuple[Point, ...]

    def of(self, optimizer: str) -> tuple[Point, ...]:
        """The points of one optimizer."""
        return tuple(point for point in self.points if point.optimizer == optimizer)

    @property
    def optimizers(self) -> tuple[str, ...]:
        """The optimizers, in the order of the grid."""
        return tuple(dict.fromkeys(point.optimizer for point in self.points))


def setting_config(config: RunConfig) -> RunConfig:
    """What stays the same within a setting: the configuration with the varying keys blanked out."""
    usual = OptimizerConfig()
    varies = {"name": "", "lr": 0.0, "weight_decay": 0.0, **{key: getattr(usual, key) for key in IN_METHOD}}
    return with_values(config, {"seed": 0, **{f"optimizer.{key}": value for key, value in varies.items()}})


def with_records(experiment: Experiment, records: Mapping[str, Record]) -> list[Result]:
    """The experiment's cells with their records by identity; a failed run counts as missing."""
    results = []
    for cell in experiment.cells:
        record = records.get(cell.identity)
        results.append(Result(cell, record if record is not None and record.outcome.is_result else None))
    return results


def settings(results: Iterable[Result]) -> list[Setting]:
    """Group results by setting, in the order of the grid."""
    groups: dict[str, dict[tuple[str, float, float], list[Result]]] = {}
    for result in results:
        setting = repr(setting_config(result.config))
        chosen = result.config.optimizer
        point = (method(vars(chosen)), chosen.lr, chosen.weight_decay)
        groups.setdefault(setting, {}).setdefault(point, []).append(result)
    return [
        Setting(
            config=next(iter(points.values()))[0].config,
            points=tuple(Point(tuple(of_point)) for of_point in points.values()),
        )
        for points in groups.values()
    ]
