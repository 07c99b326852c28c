"""Foreign text is shown on a terminal with its control characters escaped."""

import pytest

from records.made_up import record
from scalefree.records import Outcome, RecordError, describe_outcome
from scalefree.records.printable import printable, quoted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain text, naïve", "plain text, naïve"),
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("a\nerror: b\r\tc", "a\\nerror: b\\r\\tc"),
        ("caf\udce9", "caf\\xe9"),
        ("right\u202eleft", "right\\u202eleft"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_control_characters_are_escaped(text: str, said: str) -> None:
    assert printable(text) == said and printable(text).encode()


def test_long_text_loses_its_middle() -> None:
    assert printable("a" * 400 + "b" * 400, 100) == "a" * 50 + "..." + "b" * 50
    assert len(quoted("x" * 10**6)) < 200 and len(quoted(["x"] * 10**6)) < 200 and len(quoted(10**10_000)) < 200


def test_errors_and_outcomes_are_one_line() -> None:
    assert str(RecordError("a\x1b[31m\nb")) == "a\\x1b[31m\\nb"
    failed = record(test_error=None, outcome=Outcome("failed", 0, "Traceback\nValueError: \x1b[2J"))
    assert describe_outcome(failed) == "failed: ValueError: \\x1b[2J"
    assert describe_outcome(record(test_error=None, outcome=Outcome("failed", 0, " \n "))) == "failed: "
