"""scripts/report.py as a user runs it, with the claims that are judged from records."""

import runpy
import sys
from pathlib import Path

import pytest

from report.hand_made import fill
from report.reading import cells, read
from scalefree import claims
from scalefree.claims import planned
from scalefree.experiments.evidence import gather
from scalefree.records import Store

ROOT = Path(__file__).parents[2]


def report(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Runs the script; returns its exit code."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    monkeypatch.setattr(sys, "argv", ["report.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / "report.py"), run_name="__main__")
    return int(ended.value.code or 0)


def test_the_script_writes_the_page_and_says_where(
    tmp_path: Path, made_up: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Without the claims of theory, which take seconds to compute.
    monkeypatch.setattr(claims, "judge_all", planned.judge)
    fill(Store(tmp_path))
    assert report(monkeypatch, "profile=smoke", f"results_dir={tmp_path}") == 0
    path = tmp_path / "report" / "smoke.html"
    assert capsys.readouterr().out.startswith(f"report: {path} (")
    section = read(path.read_text().removeprefix("<!doctype html>")).one("section", id="claims")
    verdicts = planned.judge(gather("smoke", Store(tmp_path)))
    assert [row[0].split()[0] for row in cells(section)] == [verdict.question.number for verdict in verdicts]
    assert len(verdicts) > 10


def test_unknown_arguments_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in ("profile=huge", "figure=all"):
        assert report(monkeypatch, wrong, f"results_dir={tmp_path}") == 2
        assert capsys.readouterr().err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []
