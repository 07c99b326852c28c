"""docs/figures.md lists the figures that there are, and the experiments that they are drawn from."""

import re
from pathlib import Path

from scalefree.experiments import experiment_names
from scalefree.figures import FIGURES, THEORY

PAGE = Path(__file__).parents[2] / "docs" / "figures.md"


def test_the_page_lists_every_figure_with_its_experiments_in_the_order_of_the_catalogue() -> None:
    rows = [re.findall(r"`(\w+)`", row) for row in PAGE.read_text().splitlines() if row.startswith("| `")]
    assert [(name, tuple(needs)) for name, *needs in rows] == [(of.name, of.needs) for of in FIGURES.values()]


def test_every_experiment_is_drawn_somewhere_and_every_one_that_is_named_exists() -> None:
    assert {need for entry in FIGURES.values() for need in entry.needs} == set(experiment_names())


def test_the_figures_of_theory_are_named() -> None:
    text = PAGE.read_text()
    assert all(f"`{name}`" in text for name in (*THEORY, "atlas"))
