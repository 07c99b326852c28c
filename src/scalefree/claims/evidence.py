"""What claims are judged from: the cells of a profile's experiments with their records, and the store."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scalefree.claims.labels import setting_label
from scalefree.claims.settings import kind
from scalefree.config import RunConfig
from scalefree.experiments import Point, Result, Setting, experiment_names, load_experiment, settings, with_records
from scalefree.records import Record, RecordError, Store

Floats = npt.NDArray[np.float64]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evidence:
    """A profile's results by experiment; an experiment that the profile leaves out has none."""

    profile: str
    results: Mapping[str, Sequence[Result]]
    store: Store

    def settings(self, *experiments: str) -> list[Setting]:
        """The settings of several experiments; one that more of them have is taken from the first.

        Not merged: two experiments may want other cells and seeds of a setting, and a best cell is only fair among
        cells that were planned together.
        """
        found: dict[str, Setting] = {}
        for name in experiments:
            for setting in settings(self.results.get(name, ())):
                found.setdefault(kind(setting.config), setting)
        return list(found.values())

    def shares(self, record: Record) -> Floats | None:
        """The whole network's last histogram of update scales as shares of all coordinates; None without one."""
        try:
            counts = self.store.histograms(record).get("counts/network")
        except RecordError as error:
            log.warning("left out of the claims: %s", error)
            return None
        if counts is None or not len(counts):
            return None
        last: Floats = counts[-1] / counts[-1].sum()
        return last


def gather(profile: str, results_dir: str | Path) -> Evidence:
    """Everything that the store under `results_dir` has of a profile.

    Raises:
        ConfigError: an unknown profile.
    """
    store = Store(results_dir)
    records = store.records()
    results = {name: with_records(load_experiment(name, profile), records) for name in experiment_names()}
    return Evidence(profile, results, store)


def points_of(setting: Setting, optimizers: Iterable[str]) -> list[Point]:
    """The points of several optimizers."""
    return [point for optimizer in optimizers for point in setting.of(optimizer)]


def present(points: Iterable[Point]) -> int:
    """How many points have the records of all their seeds."""
    return sum(point.status in ("completed", "diverged") for point in points)


class Selection(NamedTuple):
    """What a claim may use of the settings it asked for.

    Attributes:
        used: those with all of their cells under the optimizers in question.
        lacking: the others.
        problem: why nothing may be used; empty if something may.
    """

    optimizers: tuple[str, ...]
    used: list[Setting]
    lacking: list[Setting]
    problem: str

    def notes(self) -> list[str]:
        """What is not judged, a sentence each."""
        notes = []
        for setting in self.lacking:
            points = points_of(setting, self.optimizers)
            notes.append(f"{setting_label(setting.config)}: not judged, {present(points)} of {len(points)} cells present")
        return notes

    def scope(self, profile: str) -> str:
        """`digits, profile quick, 30 epochs, batch 32, 2 seeds; 26 of 26 cells present`."""
        asked = self.used + self.lacking
        if not asked:
            return f"profile {profile}; no cells"
        points = [point for setting in asked for point in points_of(setting, self.optimizers)]
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
    """Settings that are `wanted` and have cells of every optimizer, by whether all those cells have their records.

    One with a cell or a seed missing is not judged: the best of half a grid says as much about which half was
    trained as about the optimizer.
    """
    asked = [s for s in candidates if wanted(s.config) and all(s.of(optimizer) for optimizer in optimizers)]
    used, lacking = [], []
    for setting in asked:
        points = points_of(setting, optimizers)
        (used if present(points) == len(points) else lacking).append(setting)
    problem = ""
    if not asked:
        problem = "no records: the profile has no cells for this claim"
    elif not any(point.records for setting in asked for point in points_of(setting, optimizers)):
        problem = "no records"
    elif not used:
        problem = "missing cells: no setting has its whole grid"
    return Selection(tuple(optimizers), used, lacking, problem)
