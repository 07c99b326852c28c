"""The legend of a page: an entry an optimizer, where useful with the cell whose curves are shown."""

from collections.abc import Sequence

from matplotlib.lines import Line2D

from scalefree.figures.comparison import Chosen
from scalefree.figures.names import number
from scalefree.figures.style import ALPHA, LAMBDA
from scalefree.optimizers import look


def _entry(optimizer: str, chosen: Chosen) -> str:
    if optimizer not in chosen:
        return look(optimizer).label
    point = chosen[optimizer]
    error = point.mean_error()
    result = "diverged" if error is None or error > 1 else f"error {100 * error:.1f}%"
    return f"{look(optimizer).label} at {ALPHA} = {number(point.lr)}, {LAMBDA} = {number(point.weight_decay)}: {result}"


def legend_entries(optimizers: Sequence[str], chosen: Chosen | None = None) -> list[Line2D]:
    """A line an optimizer; `chosen` adds its cell and error."""
    return [
        Line2D([], [], color=of.color, linestyle=of.dash, label=_entry(of.key, chosen or {}))
        for of in map(look, optimizers)
    ]
