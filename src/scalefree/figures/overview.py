"""All settings of a comparison on a page, one a row: error grids without their numbers, curves, histograms."""

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalefree.experiments import Setting
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
from scalefree.figures.legend import legend_entries
from scalefree.figures.names import row_names
from scalefree.figures.style import LAMBDA, STEP_SIZE_LABEL, new_figure
from scalefree.optimizers import look, ordered

# Inches for one setting.
_ROW_HEIGHT = 1.3
# Of a title, over all heatmaps of a row.
_CHARACTERS = 80


def draw_overview(evidence: Evidence, comparison: Comparison) -> Figure:
    """The page of all settings."""
    settings = evidence.settings
    optimizers = ordered(optimizer for setting in settings for optimizer in setting.optimizers)
    lines = has_one_lr(settings)
    above = 1 if lines else len(optimizers)
    columns = above + len(comparison.panels)
    height = _ROW_HEIGHT * len(settings) + (0.4 if lines else 0.9)
    notes = [LINES_NOTE if lines else HEATMAP_NOTE, *comparison.notes]
    text = caption(evidence.profile, settings, notes)
    figure = new_figure(height, evidence.title, text, legend_entries(optimizers))
    axes = figure.subplots(len(settings), columns, squeeze=False)

    if lines:
        for row, setting in zip(axes, settings, strict=True):
            draw_decay_lines(row[0], setting, optimizers)
    else:
        _draw_heatmaps(figure, axes[:, :above].tolist(), settings, optimizers)
    for row, setting in zip(axes, settings, strict=True):
        chosen = comparison.choose(setting, optimizers)
        for panel, draw in zip(row[above:], comparison.panels, strict=True):
            draw(panel, evidence, setting, chosen)
    _move_labels(axes.tolist(), above, lines)
    for row, names in zip(axes, row_names([setting.config for setting in settings]), strict=True):
        row[0].set_ylabel("\n".join(names if lines else [*names, STEP_SIZE_LABEL]))
    return figure


def _draw_heatmaps(figure: Figure, rows: list[list[Axes]], settings: list[Setting], optimizers: list[str]) -> None:
    grids = [error_grids(setting, optimizers) for setting in settings]
    norm = error_norm(grid for of_setting in grids for grid in of_setting.values())
    characters = _CHARACTERS // len(rows[0])
    same_decays = len({of_setting[optimizers[0]].weight_decays for of_setting in grids}) == 1
    for index, (row, setting, of_setting) in enumerate(zip(rows, settings, grids, strict=True)):
        draw_error_heatmaps(row, setting, of_setting, norm, labels=False)
        for axes, optimizer in zip(row, optimizers, strict=True):
            best = setting.best(optimizer)
            error = None if best is None else best.mean_error()
            shown = "" if error is None or error > 1 else f"best {100 * error:.1f}%"
            name = textwrap.fill(look(optimizer).label, characters)
            axes.set_title(f"{name}\n{shown}" if index == 0 else shown, fontsize=7)
            axes.tick_params(axis="x", rotation=90)
            if same_decays and index < len(rows) - 1:
                axes.set_xticklabels([])
            else:
                axes.set_xlabel(LAMBDA)
        for axes in row[1:]:
            axes.set_yticklabels([])
    error_colorbar(figure, norm, [axes for row in rows for axes in row], below=True)


def _narrow(label: str) -> str:
    return "\n".join(textwrap.wrap(label, 14))


def _move_labels(rows: list[list[Axes]], above: int, lines: bool) -> None:
    """What a column shows stands once: above its first panel; what its x axis is, below its last."""
    for index, row in enumerate(rows):
        for axes in row[0 if lines else above :]:
            if index == 0:
                axes.set_title(_narrow(axes.get_ylabel()), fontsize=7.5)
            axes.set_ylabel("")
            if index < len(rows) - 1:
                axes.set_xlabel("")
