"""Mirrors every run as a wandb run: offline by default, always closed, never in the way.

If wandb raises an error or does not answer in time, this is reported once and the run continues without it. The record
contains everything.
"""

import contextlib
import json
import logging
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from scalefree.bins import QUANTITIES, Bins
from scalefree.compose import one_line
from scalefree.config import RunConfig
from scalefree.interruption import Interrupted
from scalefree.measure import Distribution
from scalefree.records import Record, cell_identity, cell_slug, run_identity, scientific_config
from scalefree.records.identity import optimizer_label
from scalefree.tracking.deadline import NoAnswer, within
from scalefree.tracking.metrics import CURVES
from scalefree.tracking.sessions import sessions

log = logging.getLogger(__name__)

# Seconds that wandb may take to start its process (20 on a busy machine), and then to reach its server.
START_TIMEOUT = 90.0
# Seconds to accept a row, which it only queues.
LOG_TIMEOUT = 60.0
# Seconds to upload the rest at the end; anything left can be uploaded later.
FINISH_TIMEOUT = 120.0
# Seconds beyond wandb's own time-outs.
GRACE = 10.0


def _edges(bins: Bins) -> npt.NDArray[np.float64]:
    """Edges for display: underflow is drawn below the first power of two, overflow above the last, and values that are
    not finite in one more bin above that."""
    return np.arange(bins.lowest - 1, bins.highest + 4).astype(float)


def _end_service() -> None:
    """Kill wandb's process, for which this process would wait when it exits, and drop the connection to it."""
    import wandb

    with contextlib.suppress(AttributeError):  # private API; without it, this process waits for wandb
        connection: Any = wandb.setup()._connection
        connection._proc._process.kill()
    with contextlib.suppress(NoAnswer, Exception):
        within(GRACE, lambda: wandb.teardown(1))


class WandbTracker:
    """Mirrors a run to wandb, under RESULTS/wandb, with the run's identity as its id.

    A resumed run logs all its epochs again. Online, those that the server already has are skipped; offline, the new
    session's folder contains the whole run, and once it is complete the older sessions' folders are removed.
    """

    def __init__(
        self, config: RunConfig, results_dir: Path, name: str, images: int, machine: Mapping[str, Any]
    ) -> None:
        """`images` is the number per epoch; `machine` describes the device and is added to the run's config."""
        self.config = config
        self.results_dir = results_dir
        self.name = name
        self.images = images
        self.machine = dict(machine)
        self.run: Any = None
        self.failed = False
        self.hangs = False
        self.hidden: set[str] = set()

    def _try(self, action: Callable[[], None], seconds: float) -> None:
        """Run `action`; if it fails or hangs, log one warning and do nothing from then on."""
        try:
            within(seconds, action)
        except Exception as error:  # wandb can fail in many ways, none of which matters to the result
            if not self.failed:
                log.warning("continuing %s without wandb: %s: %s", self.name, type(error).__name__, one_line(error))
            self.failed = True
            if isinstance(error, NoAnswer):
                self.hangs = True
                _end_service()

    @property
    def _online(self) -> bool:
        return self.config.tracking.mode == "online"

    def _start(self) -> None:
        import wandb  # takes half a second, and is only needed if runs are tracked

        tracking = self.config.tracking
        self.results_dir.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            mode="online" if self._online else "offline",
            project=tracking.project,
            entity=tracking.entity,
            dir=self.results_dir,
            id=run_identity(self.config),
            name=self.name,
            group=tracking.group,
            job_type=optimizer_label(self.config),
            tags=tracking.tags or None,
            config={
                **scientific_config(self.config),
                # Shared by the seeds of a cell, for grouping in wandb; not part of a record's configuration.
                "cell": cell_identity(self.config),
                "cell_name": cell_slug(self.config),
                "machine": self.machine,
            },
            resume="allow" if self._online else None,
            reinit="finish_previous",
            settings=wandb.Settings(
                init_timeout=START_TIMEOUT,
                x_service_wait=START_TIMEOUT,
                finish_timeout=FINISH_TIMEOUT,
                finish_timeout_raises=True,
                silent=True,
                console="off",
                disable_code=True,
                disable_git=True,
                x_disable_stats=True,
            ),
        )
        self.run.define_metric("epoch")
        self.run.define_metric("images_seen")
        self.run.define_metric("*", step_metric="epoch")
        for metric in CURVES:
            if metric.lower_is_better:
                self.run.define_metric(metric.name, step_metric="epoch", summary="min,last")

    def _keep_from_summary(self, key: str, scalars: Iterable[str]) -> None:
        """Keep histograms and the scalars of layer groups out of the summary, where they would bury the rest.

        The record, which is in the summary, has all last scalars.
        """
        # wandb addresses a histogram by its parts. Names are given in full, because of two matching patterns wandb
        # picks one at random.
        names = [f"{key}/log2_histogram.{part}" for part in ("_type", "values", "bins")]
        if not key.endswith("/network"):
            names += [f"{key}/{scalar}" for scalar in scalars]
        for name in names:
            if name not in self.hidden:
                self.hidden.add(name)
                self.run.define_metric(name, step_metric="epoch", summary="none")

    def __enter__(self) -> Self:
        self._try(self._start, 2 * START_TIMEOUT + GRACE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.run is None or self.hangs:
            return
        self._try(lambda: self.run.finish(exit_code=0 if error is None else 1), FINISH_TIMEOUT + GRACE)
        # After a failure this session's folder may have less than an older one: nothing, or no summary.
        whole = error is None or isinstance(error, Interrupted)
        if whole and not (self.failed or self._online):
            self._try(self._remove_older_sessions, LOG_TIMEOUT)

    def _remove_older_sessions(self) -> None:
        mine = Path(self.run.dir).parent
        for session in sessions(mine.parent):
            if session.offline and session.run_id == self.run.id and session.folder.name != mine.name:
                # A process of a killed session may still be writing there; the next session then removes it.
                shutil.rmtree(session.folder, ignore_errors=True)

    def log_epoch(self, epoch: int, metrics: Mapping[str, float], measured: Mapping[str, Distribution]) -> None:
        """Log one wandb step per epoch: curves and, if measured, histograms with their scalars."""
        if self.run is None or self.failed:
            return
        # A run that is resumed online starts after the server's last step.
        if self._online and epoch < self.run.step:
            return

        def send() -> None:
            import wandb

            row: dict[str, Any] = {"epoch": epoch, "images_seen": epoch * self.images, **metrics}
            if metrics.get("training_seconds"):
                row["images_per_second"] = self.images / metrics["training_seconds"]
            for key, distribution in measured.items():
                self._keep_from_summary(key, distribution.scalars)
                edges = _edges(QUANTITIES[key.partition("/")[0]])
                row[f"{key}/log2_histogram"] = wandb.Histogram(np_histogram=(distribution.counts, edges))
                row |= {f"{key}/{name}": value for name, value in distribution.scalars.items()}
            # NaN means that a curve has no value there, as in the record.
            row = {name: value for name, value in row.items() if not (isinstance(value, float) and math.isnan(value))}
            self.run.log(row, step=epoch)

        self._try(send, LOG_TIMEOUT)

    def log_record(self, record: Record) -> None:
        """Log the final metrics, the outcome and the record itself in the run's summary."""
        if self.run is None or self.failed:
            return
        final = {key: value for key, value in record.final_metrics.items() if value is not None}
        ending = {
            "outcome": record.outcome.status,
            "outcome_step": record.outcome.step,
            "parameters": record.parameters,
            "record": json.dumps(record.document(), allow_nan=False),
        }
        self._try(lambda: self.run.summary.update({**final, **record.timing, **ending}), LOG_TIMEOUT)
