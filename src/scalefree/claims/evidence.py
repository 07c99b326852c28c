"""What claims are judged from: the cells of a profile's experiments with their records, and the store."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scalefree.claims.settings import kind
from scalefree.experiments import Result, Setting, experiment_names, load_experiment, settings, with_records
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
