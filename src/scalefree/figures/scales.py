"""Axes for errors, differences and depths, with readable numbers."""

import itertools
import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from scalefree.experiments.names import number

# If differences exceed this multiple of the limits of an equivalence, their axis is linear only up to 1.
_LINEAR_UP_TO = 12.0
# Labels of such an axis, the most important first; those without room are left out.
_LABELS = (0, 1, 10, 100, 5, 50, 2, 20)
_LEAST_ROOM = 0.075
_LINEAR_PART = 0.5


def plain_log_axis(axes: Axes) -> None:
    """Set up a logarithmic y axis with as many plain numbers as fit, or powers of ten if it spans several."""
    if not np.isfinite(axes.dataLim.minposy):
        return  # no positive values, so there is no decade to show
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


def difference_axis(
    axes: Axes, which: Literal["x", "y"], values: Iterable[float], threshold: float, equivalence: bool = False
) -> bool:
    """Set up an axis for differences that shows `values`, 0 and both thresholds.

    It is linear unless values are many times the limits of an equivalence; then it is logarithmic beyond 1 and True is
    returned.
    """
    known = [*values, 0.0, 1.3 * threshold, -1.3 * threshold]
    low, high = min(known), max(known)
    margin = 0.06 * (high - low)
    low, high = low - margin, high + margin
    axis = axes.xaxis if which == "x" else axes.yaxis
    limit, scale = (axes.set_xlim, axes.set_xscale) if which == "x" else (axes.set_ylim, axes.set_yscale)
    logarithmic = equivalence and max(-low, high) > _LINEAR_UP_TO * threshold
    if not logarithmic:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    else:
        scale("symlog", linthresh=1, linscale=_LINEAR_PART)

        def place(value: float) -> float:
            size = abs(value)
            return math.copysign(_LINEAR_PART * size if size <= 1 else _LINEAR_PART + math.log10(size), value)

        low, high = (math.copysign(max(1.25 * abs(end), 1.5), end) for end in (low, high))
        room = _LEAST_ROOM * (place(high) - place(low))
        kept: list[float] = []
        for label in _LABELS:
            for tick in {float(label), -float(label)}:
                if low <= tick <= high and all(abs(place(tick) - place(other)) >= room for other in kept):
                    kept.append(tick)
        axis.set_major_locator(FixedLocator(sorted(kept)))
        axis.set_minor_locator(FixedLocator([sign * k * d for sign in (-1, 1) for d in (1, 10) for k in range(2, 10)]))
    axis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}"))
    limit(low, high)
    return logarithmic


def depth_places(depths: Iterable[int]) -> dict[int, float]:
    """A position for each depth on a logarithmic axis on which the nearest neighbours are 1 apart."""
    distinct = sorted(set(depths))
    logs = [math.log2(depth) for depth in distinct]
    gap = min((b - a for a, b in itertools.pairwise(logs)), default=1.0)
    return {depth: (log - logs[0]) / gap for depth, log in zip(distinct, logs, strict=True)}
