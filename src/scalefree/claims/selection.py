"""Which settings a claim may be judged from: those whose whole grid has been trained."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from scalefree.claims.labels import setting_label
from scalefree.config import RunConfig
from scalefree.experiments import Point, Setting


def present(points: Iterable[Point]) -> int:
    """How many points have the records of all their seeds."""
    return sum(point.status in ("completed", "diverged") for point in points)


class Selection(NamedTuple):
    """What a claim may use of the settings that it asked for.

    Attributes:
        used: those with all of their cells under the optimizers in question.
        lacking: the others.
        problem: why nothing may be used; empty if something may.
    """

    optimizers: tuple[str, ...]
    used: list[Setting]
    lacking: list[Setting]
    problem: str

    @property
    def validated(self) -> bool:
        """Whether held-out validation can choose best cells, too."""
        return bool(self.used) and all(setting.config.dataset.validation_fraction > 0 for setting in self.used)

    def points(self, setting: Setting) -> list[Point]:
        """A setting's points under the optimizers in question."""
        return [point for optimizer in self.optimizers for point in setting.of(optimizer)]

    def notes(self) -> list[str]:
        """What is not judged, a sentence each."""
        notes = []
        for setting in self.lacking:
            points = self.points(setting)
            notes.append(
                f"{setting_label(setting.config)}: not judged, {present(points)} of {len(points)} cells present"
            )
        return notes

    def scope(self, profile: str) -> str:
        """`digits, profile quick, 30 epochs, batch 32, 2 seeds; 26 of 26 cells present`."""
        asked = self.used + self.lacking
        if not asked:
            return f"profile {profile}, no cells"
        points = [point for setting in asked for point in self.points(setting)]
        datasets = " and ".join(dict.fromkeys(setting.config.dataset.name for setting in asked))
        epochs = _either(setting.config.training.epochs for setting in asked)
        batches = _either(setting.config.training.batch_size for setting in asked)
        seeds = _either(len(point.results) for point in points)
        return (
            f"{datasets}, profile {profile}, {epochs} epochs, batch {batches}, {seeds} seed{'s' * (seeds != '1')}; "
            f"{present(points)} of {len(points)} cells present"
        )


def _either(values: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(set(values))))


def select(
    candidates: Iterable[Setting], optimizers: Sequence[str], wanted: Callable[[RunConfig], bool] = lambda _: True
) -> Selection:
    """Settings that are `wanted` and compare the optimizers, by whether all their cells have their records.

    Without a decay all optimizers are one algorithm, so each needs a cell with one. A setting with a cell or a seed
    missing is not judged: the best of half a grid says as much about which half was trained as about the optimizer.
    """

    def compares(setting: Setting) -> bool:
        return all(any(point.weight_decay > 0 for point in setting.of(optimizer)) for optimizer in optimizers)

    asked = [setting for setting in candidates if wanted(setting.config) and compares(setting)]
    used: list[Setting] = []
    lacking: list[Setting] = []
    problem = ""
    any_record = False
    for setting in asked:
        points = [point for optimizer in optimizers for point in setting.of(optimizer)]
        any_record |= any(point.records for point in points)
        (used if present(points) == len(points) else lacking).append(setting)
    if not asked:
        problem = "no records: the profile has no cells for this claim"
    elif not any_record:
        problem = "no records"
    elif not used:
        problem = "missing cells: no setting has its whole grid"
    return Selection(tuple(optimizers), used, lacking, problem)
