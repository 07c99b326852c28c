"""Signals that ask a run to stop, as a request that the training loop answers between two steps."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(BaseException):
    """The run was asked to stop, and has saved a checkpoint; no failure, so no `except Exception` takes it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class InterruptionRequest:
    """While active, the first signal sets `requested`; a second one of its kind (not SIGHUP) acts as it did before.

    Each kind is counted alone, because one request may come twice: a batch system signals every process of a job,
    and the sweep among them then asks its workers too. A signal that the process ignores stays ignored: whoever
    started it answers that one. Outside the main thread, where Python allows no signal handlers, nothing is ever
    requested.

    SIGTERM and SIGINT come from people and machines, SIGHUP from a terminal that was closed (nohup has it ignored),
    SIGUSR1 from a sweep to its workers, SIGUSR2 from a batch system that is about to take the machine away.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        kind = signal.Signals(number)
        self.requested = self.requested or kind
        # Nobody is impatient here: of a terminal that is closed both the kernel and the shell send one.
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
