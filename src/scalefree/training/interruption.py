"""SIGTERM and SIGINT as a request that the training loop answers between two steps."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(BaseException):
    """The run was asked to stop, and has saved a checkpoint; no failure, so no `except Exception` takes it."""


class InterruptionRequest:
    """While active, the first SIGTERM or SIGINT sets `requested`; a second one acts as it did before.

    A signal that the process ignores stays ignored: whoever started it answers that one. Outside the main thread,
    where Python allows no signal handlers, nothing is ever requested.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

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
        self._restore()
