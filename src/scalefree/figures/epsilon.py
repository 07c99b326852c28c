"""Raising eps breaks scale-freeness: does AdamW's advantage over Adam-l2 go with it?"""

from scalefree.experiments.names import number
from scalefree.figures.evidence import Evidence
from scalefree.figures.factor import Factor
from scalefree.figures.factor_page import draw_factor_page
from scalefree.figures.pages import Pages
from scalefree.figures.positions import log_positions
from scalefree.figures.style import EPSILON

EPS = Factor(f"{EPSILON} (log scale, 0 apart)", "optimizer", "eps", log_positions, number)


def draw(evidence: Evidence) -> Pages:
    """One page."""
    return {evidence.experiment.name: draw_factor_page(evidence, EPS, each_cell=True)}
