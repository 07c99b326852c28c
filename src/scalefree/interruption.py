"""Signals that ask a run to stop, turned into a request that the training loop checks between steps."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(BaseException):
    """The run was asked to stop and has saved a checkpoint; not a failure, so `except Exception` does not catch it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class InterruptionRequest:
    """While active, the first signal sets `requested`; a second of the same kind (except SIGHUP) has its usual effect.

    Each kind is counted separately, because one request may arrive twice: a batch system signals every process of a
    job, and the sweep among them then signals its workers too. A signal that the process ignores stays ignored, because
    whoever started the process handles it. Outside the main thread, where Python allows no signal handlers, nothing is
    ever requested.

    SIGTERM and SIGINT come from people and machines, SIGHUP from a closed terminal (ignored under nohup), SIGUSR1 from
    a sweep to its workers, and SIGUSR2 from a batch system that is about to reclaim the machine.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        kind = signal.Signals(number)
        self.requested = self.requested or kind
        # A second SIGHUP is not impatience: when a terminal closes, both the kernel and the shell send one.
        if kind != signal.SIGHUP:
            signal.signal(kind, self._previous.pop(kind))

    def __enter__(self) -> "InterruptionRequest":
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in self.SIGNALS}
            self._previous = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
            for number in self._previous:
                signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
