"""One legend a figure: an entry an optimizer, where useful with the cell whose curves are shown."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalefree.figures.comparison import Chosen
from scalefree.figures.names import number
from scalefree.figures.style import COLORS, DASHES, NAMES


def _entry(optimizer: str, chosen: Chosen) -> str:
    if optimizer not in chosen:
        return NAMES[optimizer]
    point = chosen[optimizer]
    error = point.mean_error()
    result = "diverged" if error is None or error > 1 else f"error {100 * error:.1f}%"
    return rf"{NAMES[optimizer]} at $\alpha$ = {number(point.lr)}, $\lambda$ = {number(point.weight_decay)}: {result}"


def add_legend(figure: Figure, optimizers: Sequence[str], chosen: Chosen | None = None) -> None:
    """Above all panels; `chosen` adds each optimizer's cell and error."""
    handles = [
        Line2D([], [], color=COLORS[optimizer], linestyle=DASHES[optimizer], label=_entry(optimizer, chosen or {}))
        for optimizer in optimizers
    ]
    wide = chosen is not None and len(optimizers) > 2
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if wide else len(handles))
