"""A benchmark continues and keeps its results when one of its sections fails."""

import logging
from typing import Any

import pytest

from benchmarks.suite import NOT_MEASURED, Report


def test_results_are_kept_at_once_and_a_failure_costs_only_its_section(caplog: pytest.LogCaptureFixture) -> None:
    kept: list[dict[str, Any]] = []
    report = Report({"device": "cpu"}, lambda result: kept.append(dict(result)))

    def failing() -> list[dict[str, Any]]:
        raise EOFError("the process died")

    assert report.add("first", lambda: [{"images/s": 1.0}]) == [{"images/s": 1.0}]
    with caplog.at_level(logging.ERROR):
        assert report.add("second", failing) == []
    assert "second: not measured" in caplog.text and "the process died" in caplog.text
    report.add("third", lambda: [{"images/s": 3.0}])
    assert kept[0].keys() == {"device", "first"}
    assert kept[1].keys() == {"device", "first", NOT_MEASURED} and kept[1][NOT_MEASURED] == "second"
    assert kept[2].keys() == {"device", "first", NOT_MEASURED, "third"}
    assert report.result == kept[-1]
