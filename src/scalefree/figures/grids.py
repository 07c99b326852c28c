"""All grids of several networks on one page, small and without numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from scalefree.experiments.arms import Network
from scalefree.experiments.names import network_name
from scalefree.experiments.results import Point
from scalefree.figures.heatmap import error_colorbar
from scalefree.figures.style import DECAY_LABEL, STEP_SIZE_LABEL, look, new_figure

# A network's grids by method.
Methods = Mapping[str, Sequence[Point]]
# What a row of the page stands for: a network, or anything else trained with several methods.
Of = TypeVar("Of")
_COLUMNS = 4


def _rows(grids: Mapping[Of, Methods]) -> list[tuple[Of, list[str]]]:
    """Each network's methods in the order given, a few per row."""
    return [
        (network, list(of)[first : first + _COLUMNS])
        for network, of in grids.items()
        for first in range(0, len(of), _COLUMNS)
    ]


def network_in_lines(network: Network) -> str:
    """A network's name, with a line for anything unusual about it."""
    return network_name(network).replace(", ", "\n").replace(" with", "\nwith")


def _label(method: str) -> str:
    return look(method).label


def draw_overview(
    grids: Mapping[Of, Methods],
    title: str,
    caption: str,
    norm: LogNorm,
    draw: Callable[[Axes, Of, str, Sequence[Point]], str],
    label: str = "test error (%)",
    *,
    row_name: Callable[[Of], str],
    column_name: Callable[[str], str] = _label,
) -> Figure:
    """A page of grids that `draw` fills in, returning the text below each title; `label` is that of the colour
    scale.
    """
    rows = _rows(grids)
    columns = max(len(methods) for _, methods in rows)
    heights = [
        0.62 + 0.14 * max(3, *(len({p.lr for p in grids[network][of]}) for of in methods)) for network, methods in rows
    ]
    figure = new_figure(sum(heights) + 0.75, title, caption)
    panels = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for index, (network, methods) in enumerate(rows):
        for column, axes in enumerate(panels[index]):
            if column >= len(methods):
                axes.set_axis_off()
                continue
            below = draw(axes, network, methods[column], grids[network][methods[column]])
            axes.set_title("\n".join(filter(None, [column_name(methods[column]), below])), fontsize=7, linespacing=1.1)
            axes.tick_params(axis="x", rotation=90)
            if not any(column < len(lower) for _, lower in rows[index + 1 :]):
                axes.set_xlabel(DECAY_LABEL)
        panels[index, 0].set_ylabel(f"{row_name(network)}\n{STEP_SIZE_LABEL}")
    error_colorbar(figure, norm, [axes for row in panels for axes in row], below=True, label=label)
    return figure
