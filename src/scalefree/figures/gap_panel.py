"""The paired difference of two optimizers' errors at their best cells, seed by seed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from scalefree.experiments import Setting
from scalefree.figures.best_panel import dodge_width
from scalefree.figures.evidence import diverged_seeds, drawn_errors
from scalefree.figures.seed_interval import draw_interval
from scalefree.figures.style import MINUS, NEUTRAL, nothing_yet
from scalefree.optimizers import look

NOTE = "Differences: of the two runs of each seed, which share initialisation, batches and augmentation"


def paired_differences(setting: Setting, first: str, second: str) -> dict[int, float]:
    """Percentage points of test error by seed, `first` minus `second`, each at its own best cell by test error."""
    chosen = setting.best(first), setting.best(second)
    if chosen[0] is None or chosen[1] is None:
        return {}
    errors, others = drawn_errors(chosen[0]), drawn_errors(chosen[1])
    return {seed: 100 * (errors[seed] - others[seed]) for seed in sorted(errors.keys() & others.keys())}


def draw_gap(axes: Axes, placed: Sequence[tuple[float, Setting]], first: str, second: str) -> None:
    """A dot a seed, their mean with its interval, and the line of no difference."""
    width = dodge_width([place for place, _ in placed])
    axes.axhline(0, color="black", linewidth=0.8)
    for place, setting in placed:
        values = list(paired_differences(setting, first, second).values())
        if not values:
            continue
        spots = np.linspace(-width, width, len(values)) if len(values) > 1 else np.zeros(1)
        axes.plot(place + spots, values, "o", color=NEUTRAL, markersize=3, alpha=0.6, markeredgewidth=0, gid="seeds")
        if not any(diverged_seeds(point) for point in map(setting.best, (first, second)) if point is not None):
            draw_interval(axes, place, values, "black")
        axes.plot(place, np.mean(values), "D", color="black", markersize=4.5, gid="mean")
    if not any(paired_differences(setting, first, second) for _, setting in placed):
        nothing_yet(axes)
    axes.set_ylabel(f"{look(first).label} {MINUS} {look(second).label}\ntest error (points)")
