"""All settings of a comparison on a page, one a row: error grids without their numbers, curves, histograms."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalefree.figures.caption import caption
from scalefree.figures.comparison import Comparison
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
from scalefree.figures.legend import add_legend
from scalefree.figures.names import row_names
from scalefree.figures.style import new_figure, ordered

_ROW_HEIGHT = 1.3


def draw_overview(evidence: Evidence, comparison: Comparison) -> Figure:
    """The page of all settings."""
    settings = evidence.settings
    present = {optimizer for setting in settings for optimizer in setting.optimizers}
    optimizers = [o for o in ordered(comparison.optimizers) if o in present]
    lines = has_one_lr(settings)
    above = 1 if lines else len(optimizers)
    columns = above + len(comparison.panels)
    height = _ROW_HEIGHT * len(settings) + (0.7 if lines else 1.2)
    notes = [LINES_NOTE if lines else HEATMAP_NOTE, *comparison.notes]
    figure = new_figure(height, evidence.experiment.title, caption(evidence.profile, settings, notes))
    axes = figure.subplots(len(settings), columns, squeeze=False)

    if lines:
        for row, setting in zip(axes, settings, strict=True):
            draw_decay_lines(row[0], setting, optimizers)
    else:
        grids = [error_grids(setting, optimizers) for setting in settings]
        norm = error_norm(grid for of_setting in grids for grid in of_setting.values())
        for row, setting, of_setting in zip(axes, settings, grids, strict=True):
            draw_error_heatmaps(list(row[:above]), setting, of_setting, norm, labels=False)
            _tidy_heatmaps(list(row[:above]))
            for panel, optimizer in zip(row[:above], optimizers, strict=True):
                best = setting.best(optimizer)
                error = None if best is None else best.mean_error()
                if error is not None and error <= 1:
                    panel.set_title(f"best {100 * error:.1f}%", fontsize=7)
        error_colorbar(figure, norm, [panel for row in axes for panel in row[:above]], below=True)
    for row, setting in zip(axes, settings, strict=True):
        chosen = comparison.choose(setting, optimizers)
        for panel, draw in zip(row[above:], comparison.panels, strict=True):
            draw(panel, evidence, setting, chosen)
    _label(axes.tolist(), optimizers, above, lines, row_names([setting.config for setting in settings]))
    add_legend(figure, optimizers)
    return figure
