"""Final test error against weight decay, one line an optimizer: what a heatmap of a single step size comes to."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from scalefree.experiments import Setting
from scalefree.figures.evidence import DIVERGED_ERROR, diverged_seeds, drawn_errors
from scalefree.figures.positions import log_positions, mark_log_axis, plain_log_axis
from scalefree.figures.style import DECAY_LABEL
from scalefree.optimizers import look

# Shift of each further optimizer, in decades, so that equal errors stay visible beside each other.
_DODGE = 0.06


def draw_decay_lines(axes: Axes, setting: Setting, optimizers: Sequence[str]) -> None:
    """Mean error (percent, log axis) with a bar from the lowest to the highest seed; a ring at each best cell.

    A cell with a diverged seed is a cross at the top, outside the line; a missing cell leaves a gap and a tick mark
    at the bottom.
    """
    points = [point for optimizer in optimizers for point in setting.of(optimizer)]
    positions = log_positions(point.weight_decay for point in points)
    for index, optimizer in enumerate(optimizers):
        color = look(optimizer).color
        shift = _DODGE * (index - (len(optimizers) - 1) / 2)
        best = setting.best(optimizer)
        means = []
        for point in sorted(setting.of(optimizer), key=lambda point: point.weight_decay):
            x = positions[point.weight_decay] + shift
            errors = 100 * np.array(list(drawn_errors(point).values()))
            if diverged_seeds(point):
                axes.plot(x, 0.97, "x", color=color, transform=axes.get_xaxis_transform(), markersize=5, gid="diverged")
                means.append((x, np.nan))
            elif errors.size:
                mean = float(errors.mean())
                means.append((x, mean))
                axes.vlines(x, errors.min(), errors.max(), color=color, linewidth=1, alpha=0.7)
                if point.status == "partial":
                    marker = look(optimizer).marker
                    axes.plot(x, mean, marker, markerfacecolor="white", markeredgecolor=color, zorder=3, gid="partial")
                if point is best:
                    axes.plot(
                        x, mean, "o", markersize=9, markerfacecolor="none", markeredgecolor="black",
                        markeredgewidth=1, gid="best",
                    )  # fmt: skip
            else:
                axes.plot(x, 0.03, "|", color=color, transform=axes.get_xaxis_transform(), markersize=6, gid="missing")
                means.append((x, np.nan))
        axes.plot(
            *zip(*means, strict=True),
            color=color,
            marker=look(optimizer).marker,
            linestyle=look(optimizer).dash,
            label=look(optimizer).label,
            markersize=4,
        )
    mark_log_axis(axes, positions)
    axes.margins(y=0.12)
    if any(drawn < 100 * DIVERGED_ERROR for line in axes.lines for drawn in np.atleast_1d(line.get_ydata())):
        plain_log_axis(axes)
    axes.set_xlabel(DECAY_LABEL)
    axes.set_ylabel("final test error (%)")
