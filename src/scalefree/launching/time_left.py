"""How long a sweep will still take, from the runs that it has trained."""

import time
from collections.abc import Iterable

from scalefree.config import RunConfig
from scalefree.experiments.cost import Load, Pace, load
from scalefree.launching.worker import Worker
from scalefree.records import Store, run_name


class TimeLeft:
    """What is left of a sweep of `jobs` runs at a time."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.pace = Pace()
        # By the configuration's id, which is its own as long as it is kept here: whether the store had its result
        # before anybody asked for it in this sweep, and its load. Both take long to find for all pending runs.
        self._known: dict[int, tuple[RunConfig, bool, Load]] = {}

    def seconds(self, pending: Iterable[RunConfig], busy: Iterable[Worker]) -> float | None:
        """Until the last run ends, never below 0; None while no run of this sweep has been trained."""
        now = time.perf_counter()
        asked = [(of, 0.0) for done, of in map(self._look_up, pending) if not done]
        asked += [(self._look_up(w.config)[1], now - w.started) for w in busy if w.config is not None]
        left = []
        for of, elapsed in asked:
            expected = self.pace.seconds(of)
            if expected is None:
                return None
            left.append(max(0.0, expected - elapsed))
        # No run is divided among workers.
        return max([sum(left) / self.jobs, *left], default=0.0)

    def _look_up(self, config: RunConfig) -> tuple[bool, Load]:
        """Whether the run was done before, and its load."""
        if id(config) not in self._known:
            done = Store(config.results_dir).has_result(run_name(config))
            self._known[id(config)] = (config, done, load(config))
        return self._known[id(config)][1:]
