"""The prox in Adam's own metric, proximal but not scale-free, beside AdamW and Adam-l2: which property matters?"""

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
    """The overview and one sheet a model."""
    return comparison_pages(evidence, COMPARISON)
