"""Do two optimizers agree cell by cell? Differences of final error against the spread between seeds."""

from collections import defaultdict

import numpy as np
from matplotlib.axes import Axes

from scalefree.experiments import Point, Setting
from scalefree.experiments.results import share_runs
from scalefree.figures.evidence import diverged_seeds
from scalefree.figures.positions import log_positions, mark_log_axis
from scalefree.figures.style import DECAY_LABEL, MINUS, nothing_yet
from scalefree.optimizers import look

NOTE = (
    "Differences: a dot a cell (several step sizes side by side), the mean over seeds, with a bar from the lowest to "
    "the highest seed; grey: the standard deviation of one run's error between seeds at that decay, where a cell "
    "has at least two; linear within 1 point, logarithmic beyond; cells with a diverged run are left out"
)


def seed_spread(points: list[Point]) -> float | None:
    """Root mean square over cells of the standard deviation between seeds, in points; None without two seeds."""
    variances = [np.var(list(point.errors().values()), ddof=1) for point in points if len(point.errors()) > 1]
    return 100 * float(np.sqrt(np.mean(variances))) if variances else None


def cell_differences(setting: Setting, first: str, second: str) -> dict[tuple[float, float], list[float]]:
    """(lr, weight_decay) -> `first` minus `second` in points of test error, one a seed that completed under both."""
    others = {(point.lr, point.weight_decay): point for point in setting.of(second)}
    found = {}
    for point in setting.of(first):
        key = point.lr, point.weight_decay
        # Where both cells are one run a difference of zero would say nothing.
        if key not in others or share_runs(point, others[key]):
            continue
        left, right = point.errors(), others[key].errors()
        seeds = (left.keys() & right.keys()) - diverged_seeds(point) - diverged_seeds(others[key])
        if seeds:
            found[key] = [100 * (left[seed] - right[seed]) for seed in sorted(seeds)]
    return found


def draw_differences(axes: Axes, setting: Setting, first: str, second: str) -> None:
    """Draw the differences over weight decay with the spread between seeds behind them."""
    differences = cell_differences(setting, first, second)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel(f"{look(first).label} {MINUS} {look(second).label}\ntest error (points)")
    axes.set_xlabel(DECAY_LABEL)
    if not differences:
        nothing_yet(axes)
        axes.set_xticks([])
        return
    lrs = sorted({lr for lr, _ in differences})
    positions = log_positions(decay for _, decay in differences)
    by_decay: dict[float, list[Point]] = defaultdict(list)
    for point in setting.of(first) + setting.of(second):
        if not diverged_seeds(point):
            by_decay[point.weight_decay].append(point)
    for decay, x in positions.items():
        spread = seed_spread(by_decay[decay])
        if spread is not None:
            axes.fill_between([x - 0.14, x + 0.14], -spread, spread, color="#cfcfcf", linewidth=0, zorder=1)
    shades = np.linspace(0.1, 0.75, len(lrs))
    for (lr, decay), values in differences.items():
        index = lrs.index(lr)
        x = positions[decay] + 0.045 * (index - (len(lrs) - 1) / 2)
        if len(values) > 1:
            axes.vlines(x, min(values), max(values), color=str(shades[index]), linewidth=0.8)
        axes.plot(x, np.mean(values), "o", color=str(shades[index]), markersize=3, markeredgewidth=0, gid="difference")
    mark_log_axis(axes, positions)
    low, high = axes.get_xlim()
    axes.set_xlim(low - 0.15, high + 0.15)
    limit = 1.3 * max(1.0, *(abs(value) for values in differences.values() for value in values))
    axes.set_yscale("symlog", linthresh=1, linscale=1)
    axes.set_ylim(-limit, limit)
    steps = [step for step in (1, 10, 100) if step <= limit]
    axes.set_yticks([-step for step in reversed(steps)] + [0, *steps])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")
    axes.minorticks_off()
