"""What a sweep says about time."""

import logging

import pytest

from conftest import Make
from scalefree.launching.sweep import sweep
from scalefree.terminal import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1e-9, "0 s"),
        (-3.0, "0 s"),
        (0.4, "0 s"),
        (45.0, "45 s"),
        (119.4, "119 s"),
        (119.6, "2 min"),
        (3599.0, "1 h 0 min"),
        (11_100.0, "3 h 5 min"),
        (400 * 3600.0, "400 h 0 min"),
    ],
)
def test_durations_are_written_in_readable_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_sweep_reports_the_time_left_except_after_the_last_run(tiny: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The runs' costs add up to slightly more than their sum in the order in which they end."""
    configs = [tiny({"seed": seed, "model.batch_norm": seed % 2 == 0, "training.epochs": 1}) for seed in range(3)]
    with caplog.at_level(logging.INFO):
        sweep(configs, jobs=1)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("[")]
    assert len(lines) == 3 and all(" left)" in line for line in lines[:2]) and " left" not in lines[2]
    assert not any("-0" in line.rpartition("(")[2] for line in lines)
