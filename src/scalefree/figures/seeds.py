"""How large is AdamW's advantage over several seeds and initialisations, and how sure is it?"""

from matplotlib.figure import Figure

from scalefree.figures.best_panel import NOTE, draw_best, factor_axis, legend_entries
from scalefree.figures.caption import caption
from scalefree.figures.evidence import Evidence
from scalefree.figures.gap_panel import NOTE as GAP_NOTE
from scalefree.figures.gap_panel import draw_gap
from scalefree.figures.names import row_names
from scalefree.figures.pages import Pages
from scalefree.figures.style import new_figure
from scalefree.optimizers import ordered


def draw_seeds(evidence: Evidence) -> Figure:
    """Left the errors of the best cells, right their paired differences; a place on the axis for each setting."""
    settings = evidence.settings
    placed = [(float(index), setting) for index, setting in enumerate(settings)]
    optimizers = ordered(o for setting in settings for o in setting.optimizers)
    text = caption(evidence.profile, settings, [NOTE, GAP_NOTE])
    entries = legend_entries(settings, optimizers, chance=False)
    figure = new_figure(2.6, evidence.title, text, entries)
    errors, gaps = figure.subplots(1, 2)
    draw_best(errors, placed, optimizers, "error", None, joined=False)
    draw_gap(gaps, placed, "adaml2", "adamw")
    labels = ["\n".join(lines) for lines in row_names([setting.config for setting in settings])]
    for axes in (errors, gaps):
        factor_axis(axes, [place for place, _ in placed], labels, "")
    return figure


def draw(evidence: Evidence) -> Pages:
    """One page."""
    return {evidence.experiment.name: draw_seeds(evidence)}
