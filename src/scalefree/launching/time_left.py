"""How long a sweep will still take, from the runs that it has trained."""

import time
from collections.abc import Iterable

from scalefree.config import RunConfig
from scalefree.experiments.cost import Pace
from scalefree.launching.worker import Worker
from scalefree.records import RecordError, Store, run_name


class TimeLeft:
    """What is left of a sweep of `jobs` runs at a time."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.pace = Pace()
        # By name, whether the store had a run's result before anybody asked for it here.
        self._done: dict[str, bool] = {}

    def trained(self, config: RunConfig, seconds: float) -> None:
        """A run was trained from its beginning to its end in so many seconds: the others are measured by it."""
        self.pace.add(config, seconds)

    def seconds(self, pending: Iterable[RunConfig], busy: Iterable[Worker]) -> float | None:
        """Until the last run ends, never below 0; None while no run of this sweep has been trained."""
        now = time.perf_counter()
        asked = [(config, 0.0) for config in pending if not self._is_done(config)]
        asked += [(worker.config, now - worker.started) for worker in busy if worker.config is not None]
        left = []
        for config, elapsed in asked:
            expected = self.pace.seconds(config)
            if expected is None:
                return None
            left.append(max(0.0, expected - elapsed))
        # No run is divided among workers.
        return max([sum(left) / self.jobs, *left], default=0.0)

    def _is_done(self, config: RunConfig) -> bool:
        name = run_name(config)
        if name not in self._done:
            try:
                self._done[name] = Store(config.results_dir).result(name) is not None
            except RecordError:  # that run will say so
                self._done[name] = False
        return self._done[name]
