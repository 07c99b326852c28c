"""Names of unknown origin on a terminal."""

import pytest

from scalefree.shown import shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a b-c_ü", "a b-c_ü"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("x\udcff", r"x\udcff"),
        ("\u202eabc\u2028", r"\u202eabc\u2028"),
        ("", ""),
    ],
)
def test_what_would_move_the_cursor_is_spelt_out(text: str, line: str) -> None:
    assert shown(text) == line and line.isprintable()
