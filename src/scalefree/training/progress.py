"""What a person sees of a run: a bar in a terminal, a few plain lines elsewhere."""

import logging
import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from scalefree.terminal import duration

log = logging.getLogger(__name__)

# Lines for a whole run where there is no terminal.
PLAIN_LINES = 5


class Reporter:
    """Told of every epoch of one run; a context manager that closes the bar."""

    def __init__(self, name: str, epochs: int) -> None:
        self.name = name
        self.epochs = epochs
        self.bar: tqdm[Any] | None = None
        # The first epoch that was reported, and when: a resumed run's is not the first.
        self.first: tuple[int, float] | None = None

    def __enter__(self) -> Self:
        # The workers of a sweep log no information, and have one terminal between them.
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
            if self.bar is not None:  # what was trained before counts for no speed
                self.bar.initial = self.bar.n = epoch - 1
        if self.bar is not None:
            self.bar.update(epoch - self.bar.n)
            self.bar.set_postfix_str(text)
        elif epoch == self.epochs or epoch % max(1, self.epochs // PLAIN_LINES) == 0:
            log.info("%s epoch %d/%d: %s%s", self.name, epoch, self.epochs, text, self._left(epoch))

    def _left(self, epoch: int) -> str:
        """How long the other epochs will take, by those between the first that was reported and this one."""
        assert self.first is not None
        first, since = self.first
        if epoch in (first, self.epochs):
            return ""
        return f"; about {duration((time.monotonic() - since) / (epoch - first) * (self.epochs - epoch))} left"
