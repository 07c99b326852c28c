"""All grids of some networks on one page, small and without numbers."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from scalefree.experiments.arms import Network
from scalefree.experiments.names import network_name
from scalefree.experiments.results import Point
from scalefree.figures.heatmap import error_colorbar
from scalefree.figures.style import DECAY_LABEL, STEP_SIZE_LABEL, look, new_figure
from scalefree.optimizers import ordered

# A network's grids by method.
Methods = Mapping[str, Sequence[Point]]
_COLUMNS = 4


def _rows(grids: Mapping[Network, Methods]) -> list[tuple[Network, list[str]]]:
    """Each network's methods, a few per row."""
    return [
        (network, methods[first : first + _COLUMNS])
        for network, of in grids.items()
        for methods in (ordered(of),)
        for first in range(0, len(methods), _COLUMNS)
    ]


def draw_overview(
    grids: Mapping[Network, Methods],
    title: str,
    caption: str,
    norm: LogNorm,
    draw: Callable[[Axes, Network, str, Sequence[Point]], str],
    label: str = "test error (%)",
) -> Figure:
    """A page of grids that `draw` fills in, which answers what stands below a grid's title; `label`: the colours'."""
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
            axes.set_title("\n".join(filter(None, [look(methods[column]).label, below])), fontsize=7, linespacing=1.1)
            axes.tick_params(axis="x", rotation=90)
            if not any(column < len(lower) for _, lower in rows[index + 1 :]):
                axes.set_xlabel(DECAY_LABEL)
        name = network_name(network).replace(", ", "\n").replace(" with", "\nwith")
        panels[index, 0].set_ylabel(f"{name}\n{STEP_SIZE_LABEL}")
    error_colorbar(figure, norm, [axes for row in panels for axes in row], below=True, label=label)
    return figure
