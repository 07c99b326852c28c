"""Final test error over step size (rows) and weight decay (columns), one cell per point of the grid.

Four kinds of cell can be distinguished at a glance: coloured with a number; hatched if a seed diverged; white with a
light cross if not trained yet; blank if the grid does not have it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scalefree.experiments.names import number
from scalefree.experiments.results import Criterion, Point
from scalefree.figures.estimates import diverged_seeds

State = Literal["value", "diverged", "missing", "absent"]
# Perceptually uniform; low errors are bright, so that the diverged cells continue the dark end.
COLORMAP = "viridis_r"
_DIVERGED_FACE, _DIVERGED_HATCH, _CROSS = "#3c3c3c", "#8a8a8a", "#b8b8b8"


@dataclass(frozen=True)
class ErrorGrid:
    """The contents of a heatmap; rows are step sizes, columns decays, both ascending.

    Attributes:
        errors: (A, L) percent, the mean over seeds; NaN unless the state is "value".
        states: (A, L) of State.
        labels: (A, L) of str: the text in each cell.
    """

    lrs: tuple[float, ...]
    weight_decays: tuple[float, ...]
    errors: npt.NDArray[np.float64]
    states: npt.NDArray[np.str_]
    labels: npt.NDArray[np.str_]

    def place(self, lr: float, weight_decay: float) -> tuple[int, int]:
        """Row and column of a point."""
        return self.lrs.index(lr), self.weight_decays.index(weight_decay)


def _cell(point: Point, criterion: Criterion) -> tuple[float, State, str]:
    errors, diverged = point.errors(criterion), diverged_seeds(point)
    mark = "*" if point.status == "partial" else ""
    if not errors:
        return np.nan, "missing", ""
    if diverged:
        share = "" if len(diverged) == len(errors) else f"\n{len(diverged)}/{len(errors)}"
        return np.nan, "diverged", f"div.{mark}{share}"
    error = 100 * sum(errors.values()) / len(errors)
    return error, "value", f"{error:.1f}{mark}"


def error_grid(
    points: Sequence[Point], lrs: Iterable[float], weight_decays: Iterable[float], criterion: Criterion = "test"
) -> ErrorGrid:
    """The grid of one optimizer's points on the given axes, so that several optimizers' grids line up."""
    rows, columns = tuple(sorted(set(lrs))), tuple(sorted(set(weight_decays)))
    errors = np.full((len(rows), len(columns)), np.nan)
    states = np.full(errors.shape, "absent", dtype="<U8")
    labels = np.full(errors.shape, "", dtype="<U12")
    for point in points:
        place = rows.index(point.lr), columns.index(point.weight_decay)
        errors[place], states[place], labels[place] = _cell(point, criterion)
    return ErrorGrid(rows, columns, errors, states, labels)


def error_norm(grids: Iterable[ErrorGrid]) -> LogNorm:
    """One logarithmic colour scale for several grids: the interesting errors are the small ones."""
    known = np.concatenate([grid.errors[np.isfinite(grid.errors)] for grid in grids] or [np.empty(0)])
    low, high = (known.min(), known.max()) if known.size else (1.0, 100.0)
    low = max(float(low), 0.1)
    return LogNorm(low, max(float(high), 1.05 * low))


def _text_color(error: float, norm: LogNorm) -> str:
    """Black or white, whichever has the higher contrast on the cell's colour (WCAG relative luminance)."""
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in matplotlib.colormaps[COLORMAP](norm(np.clip(error, norm.vmin, norm.vmax)))[:3]
    )
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "white"


def draw_heatmap(
    axes: Axes,
    grid: ErrorGrid,
    norm: LogNorm,
    chosen: tuple[float, float] | None,
    lowest: tuple[float, float] | None = None,
    labels: bool = True,
    preliminary: bool = False,
) -> None:
    """Draw a grid; `chosen` is the (lr, weight_decay) to frame, dashed if preliminary, and `lowest` the one to ring."""
    rows, columns = grid.errors.shape
    axes.grid(False)
    axes.pcolormesh(
        np.arange(columns + 1) - 0.5,
        np.arange(rows + 1) - 0.5,
        np.ma.masked_invalid(np.maximum(grid.errors, 0.1)),
        cmap=COLORMAP,
        norm=norm,
        edgecolors="white",
        linewidth=0.6,
    )
    for row, column in np.ndindex(rows, columns):
        state, label = str(grid.states[row, column]), str(grid.labels[row, column])
        if state == "diverged":
            axes.add_patch(
                Rectangle(
                    (column - 0.5, row - 0.5), 1, 1, facecolor=_DIVERGED_FACE, edgecolor=_DIVERGED_HATCH,
                    hatch="////", linewidth=0, gid="diverged",
                )
            )  # fmt: skip
        elif state == "missing":
            for sign in (-1, 1):
                x, y = np.array([-0.3, 0.3]) + column, sign * np.array([-0.3, 0.3]) + row
                axes.plot(x, y, color=_CROSS, linewidth=0.8, gid="missing")
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="none", edgecolor="#d9d9d9", linewidth=0.5)
            )
        if not (labels and label):
            continue
        text = axes.text(
            column, row, label, ha="center", va="center", fontsize=7, linespacing=0.95,
            color="white" if state == "diverged" else _text_color(float(grid.errors[row, column]), norm),
        )  # fmt: skip
        if state == "diverged":
            text.set_bbox({"facecolor": _DIVERGED_FACE, "edgecolor": "none", "pad": 0.6})
    if chosen is not None:
        _frame(axes, *grid.place(*chosen), preliminary)
    if lowest is not None:
        row, column = grid.place(*lowest)
        axes.plot(
            column + 0.36 * labels, row + 0.34 * labels, marker="o", markersize=3, markerfacecolor="white",
            markeredgecolor="black", markeredgewidth=0.7, gid="lowest", clip_on=False, zorder=6,
        )  # fmt: skip
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, rows - 0.5))
    axes.set_xticks(range(columns), [number(value) for value in grid.weight_decays])
    axes.set_yticks(range(rows), [number(value) for value in grid.lrs])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _frame(axes: Axes, row: int, column: int, preliminary: bool) -> None:
    for color, width in (("white", 3.2), ("black", 1.6)):
        dash = (0, (2, 1.2)) if preliminary and color == "black" else "solid"
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, facecolor="none", edgecolor=color, linewidth=width, zorder=5,
                linestyle=dash, clip_on=False, gid="so far" if preliminary else "chosen",
            )
        )  # fmt: skip


def error_colorbar(
    figure: Figure, norm: LogNorm, beside: Sequence[Axes], below: bool = False, label: str = "test error (%)"
) -> None:
    """Draw the colour scale to the right of the panels, or below them, with four plain ticks.

    Their labels have two digits, or three where a narrow scale would repeat one.
    """
    bar = figure.colorbar(
        ScalarMappable(norm, COLORMAP),
        ax=list(beside),
        location="bottom" if below else "right",
        pad=0.015,
        aspect=30 if below else 18,
        fraction=0.05,
    )
    assert norm.vmin is not None and norm.vmax is not None
    ticks = np.geomspace(norm.vmin, norm.vmax, 4)
    # Three are enough: `error_norm` spans at least 5 %.
    written = ([f"{tick:.{digits}g}" for tick in ticks] for digits in (2, 3))
    bar.set_ticks(ticks.tolist(), labels=next(labels for labels in written if len(set(labels)) == len(ticks)))
    bar.minorticks_off()
    bar.set_label(label)
    bar.ax.grid(False)
