"""Foreign text on a terminal: shown with its control characters escaped."""

import math

import pytest

from scalefree.terminal import duration, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, Kätzchen, 狗 dog", "plain, Kätzchen, 狗 dog"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("one\r\ntwo\tthree\x7f", r"one\r\ntwo\tthree\x7f"),
        ("\x9b2J", r"\x9b2J"),
        ("gnp.\u202etxet", r"gnp.\u202etxet"),
        ("line\u2028line", r"line\u2028line"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
        (r"C:\new", r"C:\new"),
    ],
)
def test_text_is_shown_in_one_line(text: str, expected: str) -> None:
    assert shown(text) == expected and shown(expected) == expected
    assert expected.isprintable() and expected.encode()


def test_other_objects_are_shown_as_text() -> None:
    assert shown(OSError(2, "No such file", "a\nb")) == r"[Errno 2] No such file: 'a\nb'"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "0 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (11_100, "3 h 5 min"),
        (1e300, "more than a century"),
        (math.inf, "more than a century"),
        (math.nan, "more than a century"),
    ],
)
def test_durations_are_short_whatever_a_record_says(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
