"""The legend of a page: an entry an optimizer, where useful with the cell whose curves are shown."""

from collections.abc import Sequence

from matplotlib.lines import Line2D

from scalefree.experiments.names import number
from scalefree.figures.comparison import Chosen
from scalefree.figures.style import ALPHA, COLORS, DASHES, LAMBDA, NAMES


def _entry(optimizer: str, chosen: Chosen) -> str:
    if optimizer not in chosen:
        return NAMES[optimizer]
    point = chosen[optimizer]
    error = point.mean_error()
    result = "diverged" if error is None or error > 1 else f"error {100 * error:.1f}%"
    return f"{NAMES[optimizer]} at {ALPHA} = {number(point.lr)}, {LAMBDA} = {number(point.weight_decay)}: {result}"


def legend_entries(optimizers: Sequence[str], chosen: Chosen | None = None) -> list[Line2D]:
    """A line an optimizer; `chosen` adds its cell and error."""
    return [
        Line2D([], [], color=COLORS[optimizer], linestyle=DASHES[optimizer], label=_entry(optimizer, chosen or {}))
        for optimizer in optimizers
    ]
