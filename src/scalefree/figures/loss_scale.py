"""The loss times 1, 10 and 100: a scale-free optimizer should not notice, Adam-l2 should."""

from scalefree.figures.comparison import Comparison, accuracy_panel, each_at_its_best, histogram_panel
from scalefree.figures.evidence import Evidence
from scalefree.figures.pages import Pages, comparison_pages
from scalefree.figures.without_bn import CURVES_NOTE

COMPARISON = Comparison(
    panels=(accuracy_panel, histogram_panel),
    choose=each_at_its_best,
    notes=(CURVES_NOTE,),
)


def draw(evidence: Evidence) -> Pages:
    """The overview, one row a multiplier, and one sheet each."""
    return comparison_pages(evidence, COMPARISON)
