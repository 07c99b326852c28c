"""The interface of trackers, which a run informs while it trains, and the tracker that does nothing."""

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from scalefree.measure import Distribution
from scalefree.records import Record


class Tracker(Protocol):
    """Informed of every epoch and of the end; a context manager, so that it is always closed.

    A tracker mirrors the record and is never its source: whatever happens to it, the run continues.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def log_epoch(self, epoch: int, metrics: Mapping[str, float], measured: Mapping[str, Distribution]) -> None:
        """Log an epoch's metrics (epochs count from 1) and, if measured, its distributions by `<quantity>/<group>`.

        Called in order from epoch 1 in every session: one that resumes a run repeats the earlier epochs.
        """

    def log_record(self, record: Record) -> None:
        """Log the run's result."""


class NullTracker:
    """Tracks nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def log_epoch(self, epoch: int, metrics: Mapping[str, float], measured: Mapping[str, Distribution]) -> None:
        return None

    def log_record(self, record: Record) -> None:
        return None
