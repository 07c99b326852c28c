"""Places on an axis for values that span decades and may be zero, which no logarithmic axis can show.

Positions are log10 of the value; zero stands apart, left of the smallest positive value, behind a break mark.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from scalefree.figures.names import number

# How far left of the smallest positive value zero stands, in decades.
_ZERO_GAP = 0.8


def log_positions(values: Iterable[float]) -> dict[float, float]:
    """Position of each distinct value, ascending; zero, if there, _ZERO_GAP left of the smallest positive one."""
    distinct = sorted(set(values))
    positive = [value for value in distinct if value > 0]
    lowest = np.log10(positive[0]) if positive else _ZERO_GAP
    return {value: float(np.log10(value)) if value > 0 else float(lowest - _ZERO_GAP) for value in distinct}


def mark_log_axis(axes: Axes, positions: dict[float, float], ticks: Sequence[float] | None = None) -> None:
    """Ticks at the values themselves, or at `ticks` and at zero, and a break mark between zero and the rest."""
    shown = [value for value in positions if ticks is None or value == 0 or value in ticks]
    rotation = 45 if len(shown) > 5 else 0
    axes.set_xticks(
        [positions[value] for value in shown],
        [number(value) for value in shown],
        rotation=rotation,
        ha="right" if rotation else "center",
        rotation_mode="anchor" if rotation else "default",
    )
    axes.minorticks_off()
    places = sorted(positions.values())
    margin = 0.06 * max(places[-1] - places[0], 1.0)
    axes.set_xlim(places[0] - margin, places[-1] + margin)
    if 0 in positions and len(places) > 1:
        axes.text(
            (places[0] + places[1]) / 2,
            0,
            "//",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="center",
            fontsize=7,
            color="#555555",
        )


def percent_log_axis(axes: Axes) -> None:
    """A logarithmic y axis of percentages with plain numbers at 1, 2, 5, 10, ... and at least two of them."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    candidates = [m * 10.0**e for e in range(-3, 3) for m in (1, 2, 5)]
    inside = [tick for tick in candidates if low <= tick <= high]
    if len(inside) < 2:
        inside = [float(f"{tick:.2g}") for tick in np.geomspace(low, high, 4)[1:3]]
    axes.yaxis.set_major_locator(FixedLocator(inside))
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(low, high)


def _plain(value: float, _position: Any = None) -> str:
    return f"{value:g}"
