"""Adam-l2 against AdamW without BatchNorm: errors, curves at the best cells, update scales."""

from scalefree.figures.comparison import (
    Comparison,
    accuracy_panel,
    each_at_its_best,
    histogram_panel,
    loss_panel,
)
from scalefree.figures.evidence import Evidence
from scalefree.figures.pages import Pages, comparison_pages

CURVES_NOTE = (
    "Curves (mean, band from lowest to highest seed; thin and ending in a cross: a diverged run) and last-epoch "
    "histograms: each optimizer at its best cell"
)

COMPARISON = Comparison(
    panels=(loss_panel, accuracy_panel, histogram_panel),
    choose=each_at_its_best,
    notes=(CURVES_NOTE,),
    published=True,
)


def draw(evidence: Evidence) -> Pages:
    """The overview and one sheet a model."""
    return comparison_pages(evidence, COMPARISON)
