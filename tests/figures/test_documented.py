"""docs/figures.md lists existing figures and the experiments that they are drawn from."""

import re
from pathlib import Path

from scalefree.experiments import experiment_names
from scalefree.figures import FIGURES, THEORY

PAGE = Path(__file__).parents[2] / "docs" / "figures.md"


def test_the_page_lists_figures_and_experiments_in_catalogue_order() -> None:
    """A newly added figure need not be on the page."""
    rows = [re.findall(r"`(\w+)`", row) for row in PAGE.read_text().splitlines() if row.startswith("| `")]
    listed = [name for name, *_ in rows]
    assert {"corners", "selection"} < set(listed)
    assert [(name, tuple(needs)) for name, *needs in rows] == [
        (of.name, of.needs) for of in FIGURES.values() if of.name in listed
    ]


def test_every_experiment_that_a_figure_names_exists() -> None:
    """Experiments that no figure names are drawn by `train.py -m experiment=`."""
    assert {need for entry in FIGURES.values() for need in entry.needs} <= set(experiment_names())


def test_the_page_names_the_figures_of_theory() -> None:
    text = PAGE.read_text()
    assert all(f"`{name}`" in text for name in (*THEORY, "atlas"))
