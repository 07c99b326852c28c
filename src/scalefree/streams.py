"""Start every script so that what it does never depends on whether its output can be written.

A closed standard error, a full disk behind standard output, a closed terminal, a pipe without a reader, an encoding
that cannot represent a path: each loses output, never a run.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO


class Patient:
    """A text stream that drops what it cannot write; `lost` is the first error."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write all of the text, or as much of it as possible."""
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        self._try(self.stream.flush)

    def _try(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except (OSError, ValueError) as error:  # ValueError: it was closed
            self.lost = self.lost or error
            # Otherwise Python would try again to write the buffer's contents, at the latest when it exits.
            with contextlib.suppress(OSError, ValueError):
                descriptor = self.stream.fileno()
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _open_descriptors() -> None:
    """Open those of descriptors 0, 1 and 2 that are closed on /dev/null: otherwise the next files opened would get
    these numbers, and any library's output would be written into them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number


def _patient(stream: TextIO | None) -> Patient:
    if stream is None:  # it was closed when Python started
        return Patient(open(os.devnull, "w"))
    # Characters that the encoding cannot represent become escapes such as \u00e9.
    if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
        reconfigure(errors="backslashreplace")
    return Patient(stream)


def begin(main: Callable[[], int], only_says: bool = False) -> int:
    """Run `main` and return its exit code; an OSError is printed in one line and gives 1.

    Lost output changes the exit code only for a script that does nothing but print (`only_says`).
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
    except SystemExit as ended:  # argparse exits this way
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
    # A reader that closes a pipe has read enough.
    if out.lost is not None and not isinstance(out.lost, BrokenPipeError):
        print(f"error: standard output could not be written: {out.lost}", file=err)
        err.flush()
        code = code or int(only_says)
    return code
