"""Adam-l2 against AdamW with BatchNorm: the errors over the whole grid, where the paper finds them on par."""

from scalefree.figures.error_sheet import draw_error_sheet
from scalefree.figures.evidence import Evidence
from scalefree.figures.pages import Pages


def draw(evidence: Evidence) -> Pages:
    """One page with all models."""
    return {evidence.experiment.name: draw_error_sheet(evidence)}
