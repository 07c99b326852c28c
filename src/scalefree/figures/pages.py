"""The files of a comparison: an overview of all settings and a sheet for each."""

from matplotlib.figure import Figure

from scalefree.experiments.names import slugs
from scalefree.figures.comparison import Comparison
from scalefree.figures.error_panels import has_one_lr
from scalefree.figures.evidence import Evidence
from scalefree.figures.overview import draw_overview
from scalefree.figures.sheet import draw_sheet

# Figures by the name of their file, without its ending.
Pages = dict[str, Figure]


def comparison_pages(evidence: Evidence, comparison: Comparison) -> Pages:
    """`<experiment>` for the overview and `<experiment>_<setting>` for the settings that have records.

    With a single step size there are no sheets: the overview's lines already tell every number.
    """
    name = evidence.experiment.name
    settings = evidence.settings
    pages = {name: draw_overview(evidence, comparison)}
    if has_one_lr(settings):
        return pages
    for setting, slug in zip(settings, slugs([setting.config for setting in settings]), strict=True):
        if any(point.records for point in setting.points):
            pages[f"{name}_{slug}"] = draw_sheet(evidence, setting, comparison)
    return pages
