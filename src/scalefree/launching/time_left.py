"""Estimates a sweep's remaining time from the runs that it has trained."""

import time
from collections.abc import Iterable

from scalefree.config import RunConfig
from scalefree.experiments.cost import Load, Pace, load
from scalefree.launching.worker import Worker
from scalefree.records import Store, run_name


class TimeLeft:
    """The remaining time of a sweep of `jobs` runs at a time."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.pace = Pace()
        # By the configuration's id, which is unique as long as the configuration is kept here: whether the store
        # already had its result when first asked, and its load. Both are slow to find for all pending runs.
        self._known: dict[int, tuple[RunConfig, bool, Load]] = {}

    def seconds(self, pending: Iterable[RunConfig], busy: Iterable[Worker]) -> float | None:
        """Seconds until the last run ends, at least 0; None until this sweep has trained a run."""
        now = time.perf_counter()
        asked = [(of, 0.0) for done, of in map(self._look_up, pending) if not done]
        asked += [(self._look_up(w.config)[1], now - w.started) for w in busy if w.config is not None]
        left = []
        for of, elapsed in asked:
            expected = self.pace.seconds(of)
            if expected is None:
                return None
            left.append(max(0.0, expected - elapsed))
        # A run cannot be divided among workers.
        return max([sum(left) / self.jobs, *left], default=0.0)

    def _look_up(self, config: RunConfig) -> tuple[bool, Load]:
        """Whether the run was already done, and its load."""
        if id(config) not in self._known:
            done = Store(config.results_dir).has_result(run_name(config))
            self._known[id(config)] = (config, done, load(config))
        return self._known[id(config)][1:]
