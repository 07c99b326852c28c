"""The paper's figures: whole grids of final test errors, and curves and update scales at each method's cell.

`draw_without` and `draw_with` draw the networks without and with BatchNorm: one page with all their grids, and one page
per network.
"""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalefree.experiments.arms import Arm, Network
from scalefree.experiments.evidence import Evidence, Missing
from scalefree.experiments.grid import SELECTION
from scalefree.experiments.names import cell_name, network_name
from scalefree.experiments.results import Point, best
from scalefree.figures.caption import caption, holds_nothing_out, nothing_chosen
from scalefree.figures.curves import CURVES_NOTE, line_dash, sharing
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.estimates import error_of
from scalefree.figures.grids import Methods, draw_overview, network_in_lines
from scalefree.figures.heatmap import ErrorGrid, draw_heatmap, error_colorbar, error_grid, error_norm
from scalefree.figures.histograms import histograms_of, measured_when
from scalefree.figures.published import NOTE as PUBLISHED_NOTE
from scalefree.figures.published import PUBLISHED, is_published, mark_published_shares, published_grid
from scalefree.figures.runs import draw_runs
from scalefree.figures.style import DECAY_LABEL, LAMBDA, STEP_SIZE_LABEL, look, new_figure
from scalefree.optimizers import ordered

HEATMAP_NOTE = (
    "Cells: mean final test error over seeds; {frame}ring: the lowest mean test error, by which the paper "
    "chooses; no claim here uses it; hatched: a seed diverged; crossed: not trained; *: seeds missing"
)
# The pages are drawn from the first of these experiments that has grids of such networks.
_SOURCES = {False: (SELECTION, "without_bn", "corners"), True: (SELECTION, "with_bn")}


def _grids(evidence: Evidence, batch_norm: bool) -> dict[Network, dict[str, list[Point]]]:
    for name in _SOURCES[batch_norm]:
        # One cell is not a grid, unless a profile has nothing else: its curves and update scales are worth showing.
        found = {
            network: of
            for network, of in evidence.grids(name).items()
            if network.batch_norm == batch_norm
            and (not evidence.tunes or any(len(points) > 1 for points in of.values()))
        }
        if found:
            return {network: {method: of[method] for method in ordered(of)} for network, of in found.items()}
    return {}


def _lowest(points: Sequence[Point]) -> tuple[float, float] | None:
    """(lr, weight_decay) of the lowest mean test error among the cells with all seeds."""
    lowest = best((point for point in points if point.status in ("diverged", "completed")), "test")
    return None if lowest is None else (lowest.lr, lowest.weight_decay)


def _chosen(evidence: Evidence, network: Network, method: str, points: Sequence[Point]) -> tuple[float, float] | None:
    """(lr, weight_decay) of the frozen cell, if the grid has it."""
    cell = evidence.frozen.cells.get(network.label, {}).get(method)
    inside = cell is not None and any((p.lr, p.weight_decay) == (cell.lr, cell.weight_decay) for p in points)
    return (cell.lr, cell.weight_decay) if cell is not None and inside else None


def _grid(points: Sequence[Point]) -> ErrorGrid:
    return error_grid(points, {p.lr for p in points}, {p.weight_decay for p in points})


def _draw_grid(
    axes: Axes, evidence: Evidence, network: Network, method: str, points: Sequence[Point], norm: LogNorm, labels: bool
) -> None:
    chosen = _chosen(evidence, network, method, points)
    draw_heatmap(axes, _grid(points), norm, chosen, _lowest(points), labels)


def _heatmap_note(evidence: Evidence, networks: Iterable[Network]) -> str:
    chosen = any(evidence.frozen.cells.get(network.label) for network in networks)
    by = "cell chosen by validation" if evidence.frozen.records else "best published cell"
    by = by if evidence.tunes else "only cell tried"
    return HEATMAP_NOTE.format(frame=f"black frame: the {by}; " if chosen else "")


def _seeds_note(evidence: Evidence) -> str:
    if not evidence.frozen.cells:
        return nothing_chosen(evidence)
    if evidence.results.get(SELECTION):
        return "The grids' seeds choose the cells and confirm nothing"
    if not evidence.tunes:
        return "Step sizes and decays were not tuned for each method, which may change every comparison"
    return "These seeds both choose the cells and are compared at them" if evidence.selects_itself else ""


def _overview(evidence: Evidence, entry: Entry, grids: Mapping[Network, Methods]) -> Figure:
    """All grids, without numbers."""
    shown = [point for of in grids.values() for points in of.values() for point in points]
    norm = error_norm([_grid(points) for of in grids.values() for points in of.values()])

    def draw(axes: Axes, network: Network, method: str, points: Sequence[Point]) -> str:
        _draw_grid(axes, evidence, network, method, points, norm, labels=False)
        return ""

    text = caption(evidence, shown, [_heatmap_note(evidence, grids), _seeds_note(evidence)])
    return draw_overview(grids, entry.title, text, norm, draw, row_name=network_in_lines)


def _only_test_errors(evidence: Evidence, network: Network) -> bool:
    """Whether only the test set can decide which runs of a network to show."""
    return holds_nothing_out(evidence) and not evidence.frozen.cells.get(network.label)


def _shown(evidence: Evidence, network: Network, grids: Methods) -> dict[str, Point]:
    """Each method's runs on confirmation seeds: at its own cell or, with BatchNorm, at AdamW's best one with a decay.
    If no cell is known and no images are held out to choose one, the runs with its lowest test error.
    """
    found: dict[str, Point] = {}
    for method, points in grids.items():
        if _only_test_errors(evidence, network):
            cell = _lowest(points)
            found.update((method, point) for point in points if (point.lr, point.weight_decay) == cell)
            continue
        try:
            point = evidence.point(network.label, Arm(method), "adamw_decayed" if network.batch_norm else "own")
        except Missing:
            continue
        if point.records:
            found[method] = point
    return found


def _entries(points: Mapping[str, Point]) -> list[Line2D]:
    """A legend entry per method with its cell and its error."""
    entries = []
    for method, point in points.items():
        values = error_of(point).values.values()
        label = f"{look(method).label} at {cell_name(point)}: test error {sum(values) / len(values):.1f} %"
        if len(sharing(points, method)) > 1:
            label += f" (shared run, {LAMBDA} = 0)"
        entries.append(Line2D([], [], color=look(method).color, linestyle=line_dash(points, method), label=label))
    return entries


def _sheet(evidence: Evidence, entry: Entry, network: Network, grids: Methods) -> Figure:
    """One network: its grids with numbers, the paper's grids if known, curves and histograms."""
    points = _shown(evidence, network, grids)
    published = is_published(next(iter(grids.values()))[0].results[0].config)
    papers = {method: published_grid(method) for method in grids if published and method in PUBLISHED}
    panels = [*grids, *papers]
    rows = -(-len(panels) // 2)
    height = 0.55 + 0.24 * max(2, *(len({p.lr for p in of}) for of in grids.values()))
    heights = [height] * rows + [1.75] * bool(points)
    notes = [_heatmap_note(evidence, [network]), _seeds_note(evidence)]
    histograms = histograms_of(evidence.store, points)
    if points:
        seeds = sorted({seed for point in points.values() for seed in point.records})
        where = "all at AdamW's best cell with a decay" if network.batch_norm else "each method at its own cell"
        where = "each method where its test error is lowest" if _only_test_errors(evidence, network) else where
        where = where if evidence.tunes else "all at the only cell"
        kind = "" if evidence.selects_itself else "confirmation "
        named = f"{len(seeds)} {kind}seed{'s' * (len(seeds) > 1)}, {where}"
        notes += [
            f"Below: {named}, written as (step size, decay)",
            CURVES_NOTE,
            f"Histograms: {measured_when(list(histograms.values()))}",
        ]
    else:
        notes += ["No run at a chosen cell yet, so no curves"]
    notes += [PUBLISHED_NOTE] * published
    shown = [point for of in grids.values() for point in of]
    title = f"{entry.title}: {network_name(network)}"
    figure = new_figure(sum(heights), title, caption(evidence, shown, notes), _entries(points), 2)
    grid = figure.add_gridspec(len(heights), 6, height_ratios=heights)
    norm = error_norm([*(_grid(of) for of in grids.values()), *papers.values()])
    drawn = []
    for index, method in enumerate(panels):
        axes = figure.add_subplot(grid[index // 2, 3 * (index % 2) : 3 * (index % 2) + 3])
        drawn.append(axes)
        if index < len(grids):
            _draw_grid(axes, evidence, network, method, grids[method], norm, labels=True)
            axes.set_title(look(method).label)
        else:
            draw_heatmap(axes, papers[method], norm, None, PUBLISHED[method].best[:2])
            axes.set_title(f"{look(method).label}: the paper's, 300 epochs")
        axes.set_xlabel(DECAY_LABEL)
        if index % 2 == 0:
            axes.set_ylabel(STEP_SIZE_LABEL)
    error_colorbar(figure, norm, drawn)
    if points:
        below = [figure.add_subplot(grid[-1, 2 * i : 2 * i + 2]) for i in range(3)]
        draw_runs(below, evidence.store, points, histograms)
        if published:
            mark_published_shares(below[2])
    return figure


def _pages(evidence: Evidence, entry: Entry, batch_norm: bool) -> Pages:
    grids = _grids(evidence, batch_norm)
    trained = {network: of for network, of in grids.items() if any(p.records for points in of.values() for p in points)}
    if not trained:
        return {}
    sheets = {f"{entry.name}_{network.label}": _sheet(evidence, entry, network, of) for network, of in trained.items()}
    return {entry.name: _overview(evidence, entry, grids), **sheets}


def draw_without(evidence: Evidence, entry: Entry) -> Pages:
    """Networks without BatchNorm."""
    return _pages(evidence, entry, batch_norm=False)


def draw_with(evidence: Evidence, entry: Entry) -> Pages:
    """Networks with BatchNorm."""
    return _pages(evidence, entry, batch_norm=True)
