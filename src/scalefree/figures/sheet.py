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
    error_grids,
    has_one_lr,
)
from scalefree.figures.evidence import Evidence
from scalefree.figures.heatmap import draw_heatmap, error_colorbar, error_norm
from scalefree.figures.histogram_panel import mark_published_shares
from scalefree.figures.legend import add_legend
from scalefree.figures.names import setting_name
from scalefree.figures.published import NOTE as PUBLISHED_NOTE
from scalefree.figures.published import PUBLISHED, is_published, published_grid
from scalefree.figures.style import NAMES, new_figure, ordered

# Columns of the underlying grid: halves for error grids, halves or thirds for the panels below.
_COLUMNS = 6
_PANEL_HEIGHT = 1.75


def draw_sheet(evidence: Evidence, setting: Setting, comparison: Comparison) -> Figure:
    """The page of one setting."""
    optimizers = [o for o in ordered(comparison.optimizers) if o in setting.optimizers]
    lines = has_one_lr([setting])
    published = comparison.published and is_published(setting.config)
    above = 1 if lines else len(optimizers)
    spare = above % 2
    rest = len(comparison.panels) - spare
    heights = [_error_height(setting, lines)] * ((above + 1) // 2) + [1.85] * published + [_PANEL_HEIGHT] * (rest > 0)
    notes = [LINES_NOTE if lines else HEATMAP_NOTE, *comparison.notes, *([PUBLISHED_NOTE] if published else [])]
    title = setting_name(setting.config)
    figure = new_figure(sum(heights) + 0.55, title, caption(evidence.profile, [setting], notes))
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
    chosen = comparison.choose(setting, optimizers)
    for axes, panel in zip(free, comparison.panels, strict=True):
        panel(axes, evidence, setting, chosen)
        if published and panel is histogram_panel:
            mark_published_shares(axes)
    add_legend(figure, optimizers, chosen)
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
    ours = error_grids(setting, optimizers)
    papers = {o: published_grid(o) for o in optimizers if o in PUBLISHED} if published else {}
    norm = error_norm([*ours.values(), *papers.values()])
    draw_error_heatmaps(panels, setting, ours, norm)
    shown = list(panels)
    row = (len(panels) + 1) // 2
    for index, (optimizer, paper) in enumerate(papers.items()):
        axes = figure.add_subplot(grid[row, _half(index)])
        draw_heatmap(axes, paper, norm, PUBLISHED[optimizer].best[:2])
        axes.set_title(f"{NAMES[optimizer]}: the paper's, 300 epochs")
        shown.append(axes)
    for index, axes in enumerate(shown):
        axes.set_xlabel(r"weight decay $\lambda$")
        if index % 2 == 0:
            axes.set_ylabel(r"step size $\alpha$")
    error_colorbar(figure, norm, shown[1::2] or shown)
