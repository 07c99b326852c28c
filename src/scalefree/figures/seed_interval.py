"""A 95 % interval for a mean over seeds, as numbers and on an axis."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
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


def draw_interval(axes: Axes, x: float, values: Sequence[float], color: str) -> None:
    """The interval as a vertical bar that does not widen the axis: a wide one runs out of the picture."""
    interval = seed_interval(values)
    if interval is not None:
        # Below zero there is nothing on a logarithmic axis.
        low = max(interval[0], 1e-6) if axes.get_yscale() == "log" else interval[0]
        bar = LineCollection([[(x, low), (x, interval[1])]], colors=color, linewidths=1.3, gid="interval")
        axes.add_collection(bar, autolim=False)
