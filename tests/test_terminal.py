"""Foreign text on a terminal: shown with its control characters escaped."""

import pytest

from scalefree.terminal import shown


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
