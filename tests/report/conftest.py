"""One rendered page for the tests that read it: hand-made records and verdicts, the figures of one experiment."""

from pathlib import Path

import pytest

from report.hand_made import fill, verdicts
from scalefree import claims, figures
from scalefree.records import Store
from scalefree.report import write


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts that take no theory, and one experiment's figures."""
    monkeypatch.setattr(claims, "CLAIMS", [lambda _, made=made: made for made in verdicts()])
    monkeypatch.setattr(figures, "FIGURES", {"without_bn": figures.FIGURES["without_bn"]})


@pytest.fixture
def page(tmp_path: Path, made_up: None) -> Path:
    """The page of a store with every state of a run."""
    store = Store(tmp_path / "results")
    fill(store)
    return write("smoke", store.root)
