"""Everything about one setting on a page: error grids with their numbers above, curves and histograms below."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from scalefree.experiments import Setting
from scalefree.figures.caption import caption
from scalefree.figures.comparison import Comparison, histogram_panel
from scalefree.figures.decay_lines import draw_decay_lines
from scalefree.figures.error_panels import (
    HEATMAP_NOTE,
    LINES_NOTE,
    draw_error_heatmaps,
    has_one_lr,
)
from scalefree.figures.evidence import Evidence
from scalefree.figures.heatmap import ErrorGrid, draw_heatmap, error_colorbar, error_grid, error_norm
from scalefree.figures.histogram_panel import mark_published_shares
from scalefree.figures.legend import legend_entries
from scalefree.figures.names import setting_name
from scalefree.figures.published import LRS, PUBLISHED, WEIGHT_DECAYS, is_published, published_grid
from scalefree.figures.published import NOTE as PUBLISHED_NOTE
from scalefree.figures.style import DECAY_LABEL, STEP_SIZE_LABEL, new_figure
from scalefree.optimizers import look, ordered

# Columns of the underlying grid: halves for error grids, halves or thirds for the panels below.
_COLUMNS = 6
_PANEL_HEIGHT = 1.75


def draw_sheet(evidence: Evidence, setting: Setting, comparison: Comparison) -> Figure:
    """The page of one setting."""
    optimizers = ordered(setting.optimizers)
    lines = has_one_lr([setting])
    published = comparison.published and is_published(setting.config)
    above = 1 if lines else len(optimizers)
    spare = above % 2
    rest = len(comparison.panels) - spare
    heights = [_error_height(setting, lines)] * ((above + 1) // 2) + [1.85] * published + [_PANEL_HEIGHT] * (rest > 0)
    notes = [LINES_NOTE if lines else HEATMAP_NOTE, *comparison.notes, *([PUBLISHED_NOTE] if published else [])]
    title = setting_name(setting.config)
    chosen = comparison.choose(setting, optimizers)
    text = caption(evidence.profile, [setting], notes)
    figure = new_figure(sum(heights), title, text, legend_entries(optimizers, chosen), legend_columns=2)
    grid = GridSpec(len(heights), _COLUMNS, figure, height_ratios=heights)

    slots = [figure.add_subplot(grid[index // 2, _half(index)]) for index in range(above + spare)]
    if lines:
        draw_decay_lines(slots[0], setting, optimizers)
    else:
        _draw_heatmaps(figure, grid, slots[:above], setting, optimizers, published)
    free = slots[above:]
    if rest > 0:
        width = _COLUMNS // rest
        free += [figure.add_subplot(grid[-1, width * i : width * (i + 1)]) for i in range(rest)]
    for axes, panel in zip(free, comparison.panels, strict=True):
        panel(axes, evidence, setting, chosen)
        if published and panel is histogram_panel:
            mark_published_shares(axes)
    return figure


def _half(index: int) -> slice:
    return slice(0, _COLUMNS // 2) if index % 2 == 0 else slice(_COLUMNS // 2, _COLUMNS)


def _error_height(setting: Setting, lines: bool) -> float:
    rows = len({point.lr for point in setting.points})
    return _PANEL_HEIGHT if lines else 0.6 + 0.25 * max(rows, 3)


def _draw_heatmaps(
    figure: Figure, grid: GridSpec, panels: list[Axes], setting: Setting, optimizers: list[str], published: bool
) -> None:
    """Ours, and below them the paper's on the same colour scale."""
    papers: dict[str, ErrorGrid] = {}
    lrs = {point.lr for point in setting.points}
    decays = {point.weight_decay for point in setting.points}
    if published:
        papers = {o: published_grid(o, lrs, decays) for o in optimizers if o in PUBLISHED}
        lrs, decays = lrs.union(LRS), decays.union(WEIGHT_DECAYS)
    ours = {optimizer: error_grid(setting.of(optimizer), lrs, decays) for optimizer in optimizers}
    norm = error_norm([*ours.values(), *papers.values()])
    draw_error_heatmaps(panels, setting, ours, norm)
    shown = list(panels)
    row = (len(panels) + 1) // 2
    for index, (optimizer, paper) in enumerate(papers.items()):
        axes = figure.add_subplot(grid[row, _half(index)])
        draw_heatmap(axes, paper, norm, PUBLISHED[optimizer].best[:2])
        axes.set_title(f"{look(optimizer).label}: the paper's, 300 epochs")
        shown.append(axes)
    for index, axes in enumerate(shown):
        axes.set_xlabel(DECAY_LABEL)
        if index % 2 == 0:
            axes.set_ylabel(STEP_SIZE_LABEL)
    error_colorbar(figure, norm, shown[1::2] or shown)
