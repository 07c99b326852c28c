"""What a figure shows, read back from its artists."""

import itertools

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def lines(axes: Axes, gid: str) -> list[Line2D]:
    """The lines of one kind."""
    return [line for line in axes.lines if line.get_gid() == gid]


def ends(line: Line2D, along: str) -> tuple[float, float]:
    """Where a line begins and ends along `x` or `y`."""
    values = line.get_xdata() if along == "x" else line.get_ydata()
    return float(values[0]), float(values[-1])


def intervals(axes: Axes, along: str) -> set[tuple[float, float]]:
    """Every 95 % interval that is drawn, to six digits."""
    return {tuple(round(end, 6) for end in ends(line, along)) for line in lines(axes, "interval")}


def texts(figure: Figure) -> list[str]:
    """Every text that is not empty, each on one line."""
    return [" ".join(text.get_text().split()) for text in figure.findobj(Text) if text.get_text().strip()]


def caption(figure: Figure) -> str:
    """The last text below the panels, on one line."""
    return " ".join(figure.texts[-1].get_text().split())


def title(figure: Figure) -> str:
    """The page's title."""
    return figure.texts[0].get_text()


def _tick_labels(axes: Axes) -> tuple[set[Text], set[Text]]:
    """All tick labels, and those that are drawn: inside the limits of axes that are on."""
    every, drawn = set(), set()
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            every |= {tick.label1, tick.label2}
            if axes.axison and min(limits) - 1e-9 <= tick.get_loc() <= max(limits) + 1e-9:
                drawn.add(tick.label1)
    return every, drawn


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """The texts that a page shows, with their places in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    labels = [_tick_labels(axes) for axes in figure.axes]
    hidden = set().union(*(every - drawn for every, drawn in labels))
    hidden |= {label for axes in figure.axes if not axes.axison for label in (axes.xaxis.label, axes.yaxis.label)}
    seen = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in seen if text not in hidden]


def outside(figure: Figure, drawn: list[tuple[str, Bbox]]) -> list[str]:
    """The texts that the edge of the page cuts off."""
    page = figure.bbox
    return [text for text, box in drawn if box.x0 < -1 or box.y0 < -1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1]


def covered(drawn: list[tuple[str, Bbox]]) -> list[str]:
    """Pairs of texts that overlap by more than a tenth of the smaller one."""
    found = []
    for (first, a), (second, b) in itertools.combinations(drawn, 2):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        least = min(a.width * a.height, b.width * b.height)
        if width > 0 and height > 0 and width * height > 0.1 * least:
            found.append(f"{first!r} on {second!r}")
    return found
