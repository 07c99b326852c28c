"""Best cells against a factor above, what AdamW gains over Adam-l2 there below; a column for each kind of network."""

from matplotlib.figure import Figure

from scalefree.figures.best_panel import NOTE, draw_best, draw_each_cell, factor_axis, legend_entries
from scalefree.figures.caption import caption
from scalefree.figures.evidence import Evidence
from scalefree.figures.factor import Factor
from scalefree.figures.gap_panel import NOTE as GAP_NOTE
from scalefree.figures.gap_panel import draw_gap
from scalefree.figures.names import chance_error, setting_name
from scalefree.figures.style import new_figure
from scalefree.optimizers import ordered


def draw_factor_page(evidence: Evidence, factor: Factor, each_cell: bool = False) -> Figure:
    """`each_cell` adds a faint line for every (step size, decay), to show whether the best cells speak for the grid."""
    settings = evidence.settings
    columns = factor.groups(settings)
    optimizers = ordered(o for setting in settings for o in setting.optimizers)
    notes = [NOTE, *(["Faint lines: every other cell"] if each_cell else []), GAP_NOTE]
    text = caption(evidence.profile, settings, notes)
    entries = legend_entries(settings, optimizers, chance=True)
    figure = new_figure(4.0, evidence.title, text, entries)
    rows = figure.subplots(2, len(columns), squeeze=False, sharey="row", height_ratios=[1.25, 1])
    for index, group in enumerate(columns):
        config = group[0][1].config
        if each_cell:
            draw_each_cell(rows[0, index], group, optimizers)
        draw_best(rows[0, index], group, optimizers, "error", chance_error(config.dataset))
        draw_gap(rows[1, index], group, "adaml2", "adamw")
        for axes in rows[:, index]:
            factor_axis(axes, [place for place, _ in group], factor.ticks(group), factor.label)
            if index:
                axes.set_ylabel("")
        rows[0, index].set_xlabel("")
        rows[0, index].set_title(setting_name(config, without=factor.field))
    return figure
