"""Calls into something that may never return."""

import threading
from collections.abc import Callable


class NoAnswer(Exception):
    """A call had not returned when its time was over; its thread is left to itself."""


def within(seconds: float, action: Callable[[], None]) -> None:
    """Do it in a thread of its own, which never keeps the process alive.

    Raises:
        NoAnswer: it did not return in time.
        Exception: whatever it raised.
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
