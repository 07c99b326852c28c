"""A 95 % interval for a mean over seeds, as numbers and on an axis."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from scipy.special import stdtrit

# With two seeds Student's factor is 12.7: such an interval would only hide the dots.
LEAST_SEEDS = 3


def seed_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's t interval (low, high) for the mean; None with fewer than LEAST_SEEDS values."""
    if len(values) < LEAST_SEEDS:
        return None
    half = float(stdtrit(len(values) - 1, 0.975)) * float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))
    mean = float(np.mean(values))
    return mean - half, mean + half


def draw_interval(axes: Axes, x: float, values: Sequence[float], color: str, least: float = -math.inf) -> None:
    """The interval as a vertical bar from `least` up: an axis of errors or accuracies has nothing below some value."""
    interval = seed_interval(values)
    if interval is not None:
        axes.vlines(x, max(interval[0], least), interval[1], color=color, linewidth=1.3, gid="interval")
