"""How the cells were chosen, or the progress so far: validation errors over step size and decay."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from scalefree.experiments.arms import Network
from scalefree.experiments.evidence import Evidence
from scalefree.experiments.frozen import Cell
from scalefree.experiments.grid import SELECTION
from scalefree.experiments.results import Point, best
from scalefree.figures.caption import beyond, caption
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.grids import draw_overview, network_in_lines
from scalefree.figures.heatmap import ErrorGrid, draw_heatmap, error_grid, error_norm
from scalefree.optimizers import ordered

NOTE = (
    "Colours: mean final validation error over the selection seeds, which confirm nothing; hatched: a seed diverged; "
    "crossed: not trained yet"
)
CHOSEN = "Black frames: the chosen cells, frozen for the confirmation seeds; those at an edge are noted"
SO_FAR = (
    "Dashed frames: the lowest error so far, which decides nothing: a grid's cell is chosen once it is complete and "
    "scripts/freeze.py has frozen it, and confirmation runs wait for that. Above each grid: its complete cells"
)


def _grid(points: Sequence[Point]) -> ErrorGrid:
    return error_grid(points, {p.lr for p in points}, {p.weight_decay for p in points}, "validation")


def _lowest(points: Sequence[Point]) -> tuple[float, float] | None:
    """(lr, weight_decay) that would be chosen among the cells complete now."""
    lowest = best((point for point in points if point.status == "completed"), "validation")
    return None if lowest is None else (lowest.lr, lowest.weight_decay)


def _told(points: Sequence[Point], cell: Cell | None) -> str:
    """How much of a grid is complete, until its cell has been chosen; then where it should be extended."""
    if len(points) == 1:
        return "no choice"
    if cell is not None:
        return f"at the edge: {beyond(cell.edges)}" if cell.edges else ""
    return f"{sum(point.status in ('completed', 'diverged') for point in points)} of {len(points)} cells"


def draw(evidence: Evidence, entry: Entry) -> Pages:
    """Draw one page of all grids, whose title says whether cells have been chosen."""
    found = evidence.grids(SELECTION).items()
    grids = {network: {method: of[method] for method in ordered(of)} for network, of in found}
    every = [(network.label, method, points) for network, of in grids.items() for method, points in of.items()]
    if not every:
        return {}
    chosen = {(label, method): evidence.frozen.cells.get(label, {}).get(method) for label, method, _ in every}
    # A single point chooses nothing.
    choices = [(label, method) for label, method, points in every if len(points) > 1]
    made = sum(chosen[of] is not None for of in choices)
    title, notes = entry.title, [NOTE]
    if made:
        notes.append(CHOSEN)
    if made < len(choices):
        state = f"{made} of {len(choices)} cells chosen" if made else "no cell has been chosen yet"
        title, notes = f"{title}: in progress, {state}", [*notes, SO_FAR]
    norm = error_norm(_grid(points) for _, _, points in every)

    def draw_grid(axes: Axes, network: Network, method: str, points: Sequence[Point]) -> str:
        cell, grid = chosen[network.label, method], _grid(points)
        framed = _lowest(points) if cell is None else (cell.lr, cell.weight_decay)
        if len(points) == 1:
            framed = None
        if framed is not None and not (framed[0] in grid.lrs and framed[1] in grid.weight_decays):
            framed = None
        draw_heatmap(axes, grid, norm, framed, labels=False, preliminary=cell is None)
        return _told(points, cell)

    text = caption(evidence, [point for _, _, points in every for point in points], notes)
    label = "validation error (%)"
    page = draw_overview(grids, title, text, norm, draw_grid, label, row_name=network_in_lines)
    return {entry.name: page}
