"""Places on an axis for values that span decades and may be zero, which no logarithmic axis can show.

Positions are log10 of the value; zero stands apart, left of the smallest positive value, behind a break mark.
"""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from scalefree.experiments.names import number

# How far left of the smallest positive value zero stands, in decades.
_ZERO_GAP = 0.8
_MOST_LABELS = 4


def log_positions(values: Iterable[float]) -> dict[float, float]:
    """Position of each distinct value, ascending; zero, if there, _ZERO_GAP left of the smallest positive one."""
    distinct = sorted(set(values))
    positive = [value for value in distinct if value > 0]
    lowest = np.log10(positive[0]) if positive else _ZERO_GAP
    return {value: float(np.log10(value)) if value > 0 else float(lowest - _ZERO_GAP) for value in distinct}


def mark_log_axis(axes: Axes, positions: dict[float, float]) -> None:
    """Ticks at the values, only round ones labelled where they are many; a break mark between zero and the rest."""
    many = len(positions) > _MOST_LABELS
    labelled = [value for value in positions if not many or value == 0 or number(value).startswith("1e")]
    axes.set_xticks([positions[value] for value in labelled], [number(value) for value in labelled])
    axes.set_xticks([place for value, place in positions.items() if value not in labelled], minor=True)
    places = sorted(positions.values())
    margin = 0.08 * max(places[-1] - places[0], 1.0)
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


def plain_log_axis(axes: Axes) -> None:
    """A logarithmic y axis with plain numbers, as many as fit; powers of ten where it spans several of them."""
    if not np.isfinite(axes.dataLim.minposy):
        return  # no positive value yet, so no decade to show
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_minor_formatter(NullFormatter())
    if high > 300 * low:
        axes.yaxis.set_major_formatter(lambda value, _: number(value))
        return
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 2, 5), (1, 2, 3, 5, 7), (1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)):
        ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
        if sum(low <= tick <= high for tick in ticks) >= 3:
            break
    else:
        ticks = list(MaxNLocator(4).tick_values(low, high))
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter("{x:g}")
