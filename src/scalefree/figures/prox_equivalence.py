"""AdamW against AdamProx: whole grids, curves at equal cells, and their differences beside the noise of seeds."""

from scalefree.figures.comparison import (
    Comparison,
    accuracy_panel,
    all_at_adamws_best,
    loss_panel,
    prox_difference_panel,
)
from scalefree.figures.difference_panel import NOTE
from scalefree.figures.evidence import Evidence
from scalefree.figures.overview import draw_overview
from scalefree.figures.pages import Pages

COMPARISON = Comparison(
    panels=(loss_panel, accuracy_panel, prox_difference_panel),
    choose=all_at_adamws_best,
    notes=("Curves: both at AdamW's best cell with a decay; mean, band from lowest to highest seed", NOTE),
)


def draw(evidence: Evidence) -> Pages:
    """One page, one row a model and schedule: its differences say more than the numbers of two grids would."""
    return {evidence.experiment.name: draw_overview(evidence, COMPARISON)}
