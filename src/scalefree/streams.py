"""How every script begins: what it does never depends on whether anybody can read what it says.

A closed standard error, a full disk behind standard output, a terminal that was closed, a pipe whose reader has left,
an encoding that cannot show a path: each costs words, and no run.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO


class Patient:
    """A text stream that lets go of what it cannot write; `lost` is the first reason."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """All of the text, or as much of it as can be written."""
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        self._try(self.stream.flush)

    def _try(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except (OSError, ValueError) as error:  # ValueError: it was closed
            self.lost = self.lost or error
            # What waits in its buffer would be tried again, also by Python at its end.
            with contextlib.suppress(OSError, ValueError):
                descriptor = self.stream.fileno()
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _open_descriptors() -> None:
    """Give those of 0, 1 and 2 that are closed to /dev/null: else the next files would get them, and what any library
    says would be written into those."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free


def _patient(stream: TextIO | None) -> Patient:
    if stream is None:  # it was closed when Python started
        return Patient(open(os.devnull, "w"))
    # An encoding shows what it cannot write as \u00e9.
    if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
        reconfigure(errors="backslashreplace")
    return Patient(stream)


def begin(main: Callable[[], int], only_says: bool = False) -> int:
    """The exit code of `main`, which is also 1 where a file or folder refused something, in one line.

    Words that are lost change it only for a script that does nothing else (`only_says`).
    """
    _open_descriptors()
    before = sys.stdout, sys.stderr
    out, err = _patient(sys.stdout), _patient(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        code = main()
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except SystemExit as ended:  # argparse's way
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
    # Whoever closes a pipe has read enough.
    if out.lost is not None and not isinstance(out.lost, BrokenPipeError):
        print(f"error: standard output could not be written: {out.lost}", file=err)
        err.flush()
        code = code or int(only_says)
    return code
