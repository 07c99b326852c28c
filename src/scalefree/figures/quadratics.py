"""Steps to an accuracy against the condition number of a quadratic, and AdaGrad with restarts on the same quadratics."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalefree.figures.style import COLORS, NEUTRAL, new_figure
from scalefree.theory.adagrad_restarts import STAGES, demonstrate
from scalefree.theory.hessians import DIMENSION, rotated_hessian, unit_diagonal_condition
from scalefree.theory.quadratics import CAP, CONDITIONS, ROTATIONS, SCALE_FREE, Count, counts


class _Look(NamedTuple):
    color: str
    marker: str


_LOOKS = {
    "gradient descent": _Look("black", "s"),
    "heavy ball": _Look(NEUTRAL, "D"),
    "Adam, eps = 1e-3": _Look(COLORS["adam_metric_prox"], "v"),
    "Adam": _Look(COLORS["adamw"], "o"),
    "sign descent": _Look(COLORS["adamprox"], "^"),
    "AdaGrad": _Look("#E69F00", "P"),
}
_LABELS = {"Adam": "Adam, eps = 0"}
_DODGE = 0.13  # decades between the open markers of neighbouring methods

# Restarts: (condition number, steps a stage, rotated, colour, marker).
_RESTARTS = (
    (1.0, 20, False, "#E69F00", "o"),
    (1e8, 20, False, "#E69F00", "x"),
    (100.0, 20, True, "#56B4E9", "v"),
    (100.0, 100, True, "#0072B2", "^"),
)


def _line_style(method: str) -> str:
    return "-" if method in SCALE_FREE else "--"


def _draw_counts(axes: Axes, rows: Sequence[Count]) -> None:
    """Median over rotations with a bar from lowest to highest; an open marker at the cap where it is not reached."""
    for index, (method, look) in enumerate(_LOOKS.items()):
        medians = []
        for condition in CONDITIONS:
            steps = [row.steps for row in rows if row.method == method and row.condition == condition]
            median = statistics.median(steps)
            medians.append(median if median < math.inf else np.nan)
            shift = 10 ** (_DODGE * (index - (len(_LOOKS) - 1) / 2 - 1))
            if median == math.inf:
                axes.plot(
                    condition * shift, CAP, look.marker, markeredgecolor=look.color, markerfacecolor="white",
                    markersize=3.5, zorder=3, gid="not reached",
                )  # fmt: skip
            elif min(steps) < max(steps):
                axes.vlines(condition, min(steps), min(max(steps), CAP * 1e9), color=look.color, linewidth=1)
        axes.plot(
            CONDITIONS, medians, color=look.color, marker=look.marker, linestyle=_line_style(method), markersize=3.5,
            gid=method,
        )  # fmt: skip
    axes.axhline(CAP, color=NEUTRAL, linewidth=0.6, linestyle=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.7, 2e9)
    axes.set_yticks([10.0**k for k in range(0, 10, 2)])
    axes.set_xticks([10.0**k for k in range(0, 9, 2)])
    axes.set_xlabel("condition number")


def _draw_restarts(axes: Axes) -> None:
    stages = np.arange(STAGES + 1)
    for condition, steps, rotated, color, marker in _RESTARTS:
        shown = demonstrate(condition, steps, rotated)
        name = "rotated" if rotated else "diagonal"
        number = f"{condition:g}".replace("e+08", "e8")
        axes.plot(
            stages, shown.restarted, color=color, marker=marker, markersize=3.2, linewidth=0.9, markevery=2,
            label=f"{name} {number}, {steps} steps",
        )  # fmt: skip
        if condition == 1:
            axes.plot(stages, shown.unrestarted, color=NEUTRAL, linestyle=":", label="no restarts")
    axes.set_yscale("log")
    axes.set_ylim(1e-8, 5)
    axes.set_xlabel("restarts")
    axes.set_ylabel("distance to the minimiser")
    axes.set_title("AdaGrad with restarts")
    axes.legend(loc="lower left", fontsize=6)


def draw() -> Figure:
    """Diagonal and rotated problems with one vertical axis, then the distance after each restart."""
    rows = counts()
    left_over = statistics.median(unit_diagonal_condition(rotated_hessian(1e8, seed)) for seed in ROTATIONS)
    caption = (
        f"Quadratics in {DIMENSION} dimensions, no noise, float64; settings are ours, the paper's are not known. Steps to "
        "1e-3 of the first distance. Gradient descent has its best step 2/(L+$\\mu$), heavy ball Polyak's best; all "
        f"others the best of 40 schedules for each problem, at most {CAP:,} steps: open markers on the dotted line were "
        f"not there by then. Rotated: median and range of {len(ROTATIONS)} random rotations; at 1e8 the best diagonal rescaling "
        f"still leaves a condition number of about {left_over:.0e}. Solid: scale-free, dashed: not. Right: averages, "
        "restarted every so many steps with half the step size."
    )
    figure = new_figure(2.9, "Condition numbers and scale-free rules", caption)
    diagonal, rotated, restarts = figure.subplots(1, 3)
    _draw_counts(diagonal, [row for row in rows if row.rotation is None])
    _draw_counts(rotated, [row for row in rows if row.rotation is not None])
    _draw_restarts(restarts)
    diagonal.set_ylabel("steps to 1e-3")
    diagonal.set_title("diagonal Hessian")
    rotated.set_title("rotated Hessian")
    handles = [
        Line2D(
            [], [], color=look.color, marker=look.marker, linestyle=_line_style(method), markersize=3.5,
            label=_LABELS.get(method, method),
        )
        for method, look in _LOOKS.items()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=6)
    return figure
