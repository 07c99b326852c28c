"""Progress display of a run: a bar in a terminal, a few plain lines elsewhere."""

import logging
import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from scalefree.terminal import duration

log = logging.getLogger(__name__)

# Number of lines per run without a terminal.
PLAIN_LINES = 5


class Reporter:
    """Shows every epoch of one run; a context manager that closes the bar."""

    def __init__(self, name: str, epochs: int) -> None:
        self.name = name
        self.epochs = epochs
        self.bar: tqdm[Any] | None = None
        # The first reported epoch and its time; for a resumed run it is not epoch 1.
        self.first: tuple[int, float] | None = None

    def __enter__(self) -> Self:
        # The workers of a sweep do not log at INFO and share one terminal.
        if sys.stderr is not None and sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
            self.bar = tqdm(total=self.epochs, desc=self.name, unit="epoch", leave=False, dynamic_ncols=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, epoch: int, metrics: dict[str, float]) -> None:
        """Show the metrics of an epoch, counted from 1."""
        text = f"loss {metrics['batch_loss']:.4g}"
        if "test_error" in metrics:
            text += f", test error {metrics['test_error']:.4f}"
        if self.first is None:
            self.first = epoch, time.monotonic()
            if self.bar is not None:  # earlier epochs must not count towards the speed
                self.bar.initial = self.bar.n = epoch - 1
        if self.bar is not None:
            self.bar.update(epoch - self.bar.n)
            self.bar.set_postfix_str(text)
        elif epoch == self.epochs or epoch % max(1, self.epochs // PLAIN_LINES) == 0:
            log.info("%s epoch %d/%d: %s%s", self.name, epoch, self.epochs, text, self._left(epoch))

    def _left(self, epoch: int) -> str:
        """The remaining time, estimated from the epochs since the first reported one."""
        assert self.first is not None
        first, since = self.first
        if epoch in (first, self.epochs):
            return ""
        return f"; about {duration((time.monotonic() - since) / (epoch - first) * (self.epochs - epoch))} left"
