"""One rendered page for the tests to read: hand-made records and verdicts, and one figure."""

import shutil
from pathlib import Path

import pytest

from report.hand_made import fill, verdicts
from scalefree import claims, figures
from scalefree.figures.style import new_figure
from scalefree.records import Store
from scalefree.report import write


def _replace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "judge_all", lambda evidence: verdicts())
    patch.setattr(figures, "FIGURES", {"without_bn": figures.FIGURES["without_bn"]})
    patch.setattr(figures, "THEORY", {"nothing": lambda: new_figure(0.5, "A figure of nothing", "Drawn <by hand>.")})


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up verdicts without slow theory, and only one figure of records."""
    _replace(monkeypatch)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with runs in every state, and its page: made once, for `page` to copy."""
    root = tmp_path_factory.mktemp("report") / "results"
    fill(Store(root))
    with pytest.MonkeyPatch.context() as patch:
        _replace(patch)
        write("smoke", root)
    return root


@pytest.fixture
def page(results: Path, tmp_path: Path, made_up: None) -> Path:
    """The page in a copy of that store, which the test may change."""
    shutil.copytree(results, tmp_path / "results")
    return tmp_path / "results" / "report" / "smoke.html"
