"""The error grids of every setting on a page, with their numbers and nothing else."""

from matplotlib.figure import Figure

from scalefree.figures.caption import caption
from scalefree.figures.decay_lines import draw_decay_lines
from scalefree.figures.error_panels import (
    HEATMAP_NOTE,
    LINES_NOTE,
    draw_error_heatmaps,
    error_grids,
    has_one_lr,
)
from scalefree.figures.evidence import Evidence
from scalefree.figures.heatmap import error_colorbar, error_norm
from scalefree.figures.legend import legend_entries
from scalefree.figures.names import row_names
from scalefree.figures.style import DECAY_LABEL, STEP_SIZE_LABEL, new_figure
from scalefree.optimizers import ordered


def draw_error_sheet(evidence: Evidence, notes: tuple[str, ...] = ()) -> Figure:
    """One row of heatmaps a setting, or one panel of lines a setting where there is a single step size."""
    settings = evidence.settings
    if has_one_lr(settings):
        return _draw_lines(evidence, notes)
    heights = [0.45 + 0.25 * max(3, len({point.lr for point in setting.points})) for setting in settings]
    text = caption(evidence.profile, settings, [HEATMAP_NOTE, *notes])
    figure = new_figure(sum(heights), evidence.title, text)
    optimizers = ordered(o for setting in settings for o in setting.optimizers)
    rows = figure.subplots(len(settings), len(optimizers), squeeze=False, height_ratios=heights)
    names = row_names([setting.config for setting in settings])
    for index, (row, setting) in enumerate(zip(rows, settings, strict=True)):
        grids = error_grids(setting, optimizers)
        norm = error_norm(grids.values())
        draw_error_heatmaps(list(row), setting, grids, norm)
        row[0].set_ylabel("\n".join([*names[index], STEP_SIZE_LABEL]))
        for axes in row:
            if index:
                axes.set_title("")
            if index == len(settings) - 1:
                axes.set_xlabel(DECAY_LABEL)
        error_colorbar(figure, norm, list(row))
    return figure


def _draw_lines(evidence: Evidence, notes: tuple[str, ...]) -> Figure:
    settings = evidence.settings
    columns = min(3, len(settings))
    rows = -(-len(settings) // columns)
    text = caption(evidence.profile, settings, [LINES_NOTE, *notes])
    optimizers = ordered(o for setting in settings for o in setting.optimizers)
    figure = new_figure(1.9 * rows, evidence.title, text, legend_entries(optimizers))
    names = row_names([setting.config for setting in settings])
    for index, (setting, lines) in enumerate(zip(settings, names, strict=True)):
        axes = figure.add_subplot(rows, columns, index + 1)
        draw_decay_lines(axes, setting, optimizers)
        axes.set_title(", ".join(lines))
        if index % columns:
            axes.set_ylabel("")
    return figure
