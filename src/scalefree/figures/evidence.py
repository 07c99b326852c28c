"""What a figure is drawn from: the cells of an experiment, their records, and the arrays of the few that it shows."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scalefree.experiments import Experiment, Point, Result, Setting, settings, with_records
from scalefree.optimizers import look
from scalefree.records import Record, RecordError, Store

Floats = npt.NDArray[np.float64]
log = logging.getLogger(__name__)

# A diverged run has no final error; wherever an error has to be a number on an axis it is this one.
DIVERGED_ERROR = 1.0


@dataclass(frozen=True)
class Histogram:
    """Update scales at a run's last epoch, averaged over seeds.

    Attributes:
        exponents: (B,) int: an interior bin holds [2^k, 2^(k+1)) of |update| / alpha.
        shares: (B + 3,) of all coordinates: underflow, the interior bins, overflow, not finite; sums to 1.
        seeds: how many runs it averages.
    """

    exponents: npt.NDArray[np.int64]
    shares: Floats
    seeds: int


@dataclass(frozen=True)
class Evidence:
    """An experiment's results under a profile, and the store that has their arrays."""

    experiment: Experiment
    profile: str
    results: tuple[Result, ...]
    store: Store

    @property
    def settings(self) -> list[Setting]:
        """One for each combination of everything but optimizer, step size, decay and seed."""
        return settings(self.results)

    @property
    def title(self) -> str:
        """The experiment's title with the optimizers' names as the figures write them."""
        return self.experiment.title.replace("Adam-l2", look("adaml2").label)

    @property
    def any_records(self) -> bool:
        """False while there is nothing to draw."""
        return any(result.record is not None for result in self.results)

    def curve(self, point: Point, name: str) -> Floats:
        """A curve of all seeds, rows as in `point.records`: (S, E), NaN where not evaluated or after a divergence."""
        rows = [self._arrays(record, "curves").get(name, ()) for record in point.records.values()]
        curve = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
        for index, row in enumerate(rows):
            curve[index, : len(row)] = row
        return curve

    def histogram(self, point: Point, group: str = "network") -> Histogram | None:
        """The last epoch's histogram over the seeds that completed; None without any."""
        completed = [record for record in point.records.values() if record.outcome.status == "completed"]
        arrays = [self._arrays(record, "histograms") for record in completed]
        rows = [found for found in arrays if len(found.get(f"counts/{group}", ()))]
        if not rows:
            return None
        counts = np.array([row[f"counts/{group}"][-1] for row in rows], dtype=np.float64)
        shares = (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)
        return Histogram(rows[0]["log2_lower_edge"], shares, len(rows))

    def _arrays(self, record: Record, kind: Literal["curves", "histograms"]) -> dict[str, npt.NDArray[Any]]:
        try:
            return self.store.curves(record) if kind == "curves" else self.store.histograms(record)
        except RecordError as error:
            log.warning("left out of a figure: %s", error)
            return {}


def gather(experiment: Experiment, profile: str, store: Store, records: Mapping[str, Record]) -> Evidence:
    """Evidence from records by identity, as `Store.records` gives them."""
    return Evidence(experiment, profile, tuple(with_records(experiment, records)), store)


def drawn_errors(point: Point) -> dict[int, float]:
    """Final test errors by seed in [0, 1], a diverged run counting as DIVERGED_ERROR."""
    return {seed: min(error, DIVERGED_ERROR) for seed, error in point.errors("test").items()}


def diverged_seeds(point: Point) -> set[int]:
    """The seeds whose run diverged."""
    return {seed for seed, record in point.records.items() if record.outcome.status == "diverged"}
