"""Calls that may never return, with a time limit."""

import threading
from collections.abc import Callable


class NoAnswer(Exception):
    """A call did not return in time; its thread is abandoned."""


def within(seconds: float, action: Callable[[], None]) -> None:
    """Run `action` in its own thread, which does not keep the process alive.

    Raises:
        NoAnswer: it did not return in time.
        Exception: anything that it raised.
    """
    raised: list[Exception] = []

    def act() -> None:
        try:
            action()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=act, name="bounded call", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise NoAnswer(f"no answer for {seconds:g} s")
    if raised:
        raise raised[0]
