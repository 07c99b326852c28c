"""What a run tells while it trains: one interface, and the tracker that keeps silent."""

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from scalefree.measure import Distribution
from scalefree.records import Record


class Tracker(Protocol):
    """Told of every epoch and of the end; a context manager, so that it is always finished.

    A tracker mirrors the record and is never its source: whatever happens to it, the run goes on.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def log_epoch(self, epoch: int, metrics: Mapping[str, float], measured: Mapping[str, Distribution]) -> None:
        """Metrics after an epoch (counted from 1), and its distributions by `<quantity>/<group>` where measured.

        Told in order, from epoch 1 on in every session: one that resumes a run tells again what was before.
        """

    def log_record(self, record: Record) -> None:
        """The run's result."""


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
