"""Initialisations that do not explode with depth: is AdamW's advantage due to depth or to the first steps?"""

from scalefree.config import INITIALIZATIONS
from scalefree.experiments.names import INITIALIZATIONS as NAMES
from scalefree.figures.evidence import Evidence
from scalefree.figures.factor import Factor
from scalefree.figures.factor_page import draw_factor_page
from scalefree.figures.pages import Pages

INITIALIZATION = Factor(
    label="initialisation",
    section="model",
    field="initialization",
    places=lambda used: {name: float(i) for i, name in enumerate(n for n in INITIALIZATIONS if n in used)},
    tick=lambda name: NAMES[name].replace(" ", "\n", 1),
)


def draw(evidence: Evidence) -> Pages:
    """One page, a column a depth."""
    return {evidence.experiment.name: draw_factor_page(evidence, INITIALIZATION)}
