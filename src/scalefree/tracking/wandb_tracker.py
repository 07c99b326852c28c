"""Every run is a wandb run: offline unless asked otherwise, always finished, never in the way.

Whatever wandb raises is reported once, and the run goes on without it: the record holds everything.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from scalefree.config import RunConfig
from scalefree.measure import EXPONENTS, UpdateScale
from scalefree.records import Record, run_identity, scientific_config

log = logging.getLogger(__name__)

# Seconds that wandb may take to start before the run goes on without it. Its process took 20 on a busy machine.
START_TIMEOUT = 90.0
# Edges for the eye: underflow is drawn as the bin below the first power of two, overflow as the one above the last.
EDGES = np.concatenate(([EXPONENTS[0] - 1], EXPONENTS, [EXPONENTS[-1] + 1, EXPONENTS[-1] + 2])).astype(float)


class WandbTracker:
    """Mirrors a run to wandb, under RESULTS/wandb, with the run's identity as its id."""

    def __init__(self, config: RunConfig, results_dir: Path, name: str) -> None:
        self.config = config
        self.results_dir = results_dir
        self.name = name
        self.run: Any = None
        self.failed = False

    def _try(self, action: Callable[[], None]) -> None:
        """Do it; if it fails, say so once and be silent from now on."""
        try:
            action()
        except Exception as error:  # wandb fails in many ways, and none of them matters to the result
            if not self.failed:
                log.warning("wandb is left out for the rest of %s: %s: %s", self.name, type(error).__name__, error)
            self.failed = True

    def _start(self) -> None:
        import wandb  # half a second, and only needed where runs are tracked

        tracking = self.config.tracking
        self.results_dir.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            mode="online" if tracking.mode == "online" else "offline",
            project=tracking.project,
            entity=tracking.entity,
            dir=self.results_dir,
            id=run_identity(self.config),
            name=self.name,
            group=tracking.group,
            job_type=self.config.optimizer.name,
            tags=tracking.tags or None,
            config=scientific_config(self.config),
            resume="allow" if tracking.mode == "online" else None,
            reinit="finish_previous",
            settings=wandb.Settings(
                init_timeout=START_TIMEOUT,
                x_service_wait=START_TIMEOUT,
                silent=True,
                console="off",
                disable_code=True,
                disable_git=True,
                x_disable_stats=True,
            ),
        )
        self.run.define_metric("epoch")
        self.run.define_metric("*", step_metric="epoch")

    def __enter__(self) -> Self:
        self._try(self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.run is not None:
            self._try(lambda: self.run.finish(exit_code=0 if error is None else 1))

    def log_epoch(self, epoch: int, metrics: Mapping[str, float], scales: Mapping[str, UpdateScale]) -> None:
        """One wandb step an epoch: curves, and histograms and their scalars where they were measured."""
        if self.run is None or self.failed:
            return

        def send() -> None:
            import wandb

            row: dict[str, Any] = {"epoch": epoch, **metrics}
            for group, scale in scales.items():
                counts = scale.counts[:-1]
                row[f"update_scale/{group}/log2_histogram"] = wandb.Histogram(np_histogram=(counts, EDGES))
                row |= {f"update_scale/{group}/{key}": value for key, value in scale.scalars.items()}
            self.run.log(row, step=epoch)

        self._try(send)

    def log_record(self, record: Record) -> None:
        """The final metrics and the outcome, in the run's summary."""
        if self.run is None or self.failed:
            return
        final = {key: value for key, value in record.final_metrics.items() if value is not None}
        self._try(lambda: self.run.summary.update({**final, **record.timing, "outcome": record.outcome.status}))
