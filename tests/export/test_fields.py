"""How single values are written in CSV."""

import math
import struct

import numpy as np
import pytest

from scalefree.export.csv_file import field
from scalefree.export.rows import plain_text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""), (True, "TRUE"), (False, "FALSE"), (0, "0"), (-3, "-3"), (2**62, str(2**62)),
        (math.nan, "NaN"), (math.inf, "Inf"), (-math.inf, "-Inf"), (-0.5, "-0.5"), (1e-8, "1e-08"), ("-", "'-"),
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("@x", "'@x"), ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ("1+1=2", "1+1=2"), ("é, \"x\"", "é, \"x\""),
    ],
)  # fmt: skip
def test_values_are_written_as_csv_fields(value: str | int | float | bool | None, written: str) -> None:
    assert field(value) == written


def test_numbers_are_read_back_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**63, 2000)
    for value in (struct.unpack("<d", struct.pack("<q", int(number)))[0] for number in bits):
        if math.isfinite(value):
            assert float(field(value)) == value


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", None),
        ("a\n\tb", "a\n\tb"),
        ("\0\x1b", "\\x00\\x1b"),
        ("\u2028", "\\u2028"),
        ("\udcff", "\\udcff"),
        ("数é", "数é"),
    ],
)
def test_characters_that_break_readers_are_escaped(text: str, kept: str | None) -> None:
    assert plain_text(text) == kept
    assert kept is None or kept.encode("utf-8")
