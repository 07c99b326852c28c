"""Steps to reach an accuracy against a quadratic's condition number, and the effects of eps and restarts."""

import math
import statistics
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from scalefree.experiments.names import number
from scalefree.figures.style import NEUTRAL, new_figure
from scalefree.optimizers import OPTIMIZERS
from scalefree.theory.adagrad_restarts import STAGES, demonstrate
from scalefree.theory.hessians import DIMENSION, rotated_hessian, unit_diagonal_condition
from scalefree.theory.quadratics import CAP, CONDITIONS, ROTATIONS, SCALE_FREE, Count, counts, epsilon_counts

_Style = Literal["-"] | tuple[int, tuple[int, int]]


class _Look(NamedTuple):
    color: str
    marker: str


_LOOKS = {
    "gradient descent": _Look("black", "s"),
    "heavy ball": _Look("#777777", "D"),
    "Adam": _Look(OPTIMIZERS["adamw"].color, "o"),
    "sign descent": _Look("#CC79A7", "^"),
    "AdaGrad": _Look("#E69F00", "P"),
}
_LABELS = {"Adam": "Adam, eps = 0"}
_DASHED = (0, (2, 1))
_DODGE = 0.22  # decades between the open markers of neighbouring methods

# Restarts: (condition number, steps per stage, rotated, look).
_RESTARTS = (
    (1.0, 20, False, _Look("#E69F00", "P")),
    (1e8, 20, False, _Look("black", "x")),
    (100.0, 20, True, _Look("#56B4E9", "v")),
    (100.0, 100, True, _Look("#0072B2", "^")),
)
_EPSILON_LOOKS = (_Look("#08306B", "s"), _Look("#2171B5", "^"), _Look("#4EB3D3", "D"), _Look("#D55E00", "v"))


def _style(method: str) -> _Style:
    return "-" if method in SCALE_FREE else _DASHED


def _draw_line(axes: Axes, steps: Sequence[float], look: _Look, style: _Style, shift: float, label: str) -> None:
    """Draw steps at each condition number; `inf` is an open marker at the cap, moved by `shift` decades."""
    reached = [count if count < math.inf else np.nan for count in steps]
    axes.plot(
        CONDITIONS, reached, color=look.color, marker=look.marker, linestyle=style, markersize=3.8, label=label,
        gid=label,
    )  # fmt: skip
    beyond = [10**shift * condition for condition, count in zip(CONDITIONS, steps, strict=True) if count == math.inf]
    axes.plot(
        beyond, [CAP] * len(beyond), look.marker, markeredgecolor=look.color, markerfacecolor="white", markersize=3.8,
        zorder=3, gid=f"{label}: not reached",
    )  # fmt: skip


def _draw_methods(axes: Axes, rows: Sequence[Count]) -> None:
    """Draw the median over rotations, with a bar from the lowest to the highest."""
    capped = list(SCALE_FREE)
    for method, look in _LOOKS.items():
        by_condition = [[row.steps for row in rows if (row.method, row.condition) == (method, c)] for c in CONDITIONS]
        shift = _DODGE * (capped.index(method) - (len(capped) - 1) / 2) if method in SCALE_FREE else 0.0
        _draw_line(axes, [statistics.median(steps) for steps in by_condition], look, _style(method), shift, method)
        for condition, steps in zip(CONDITIONS, by_condition, strict=True):
            if min(steps) < max(steps):
                highest = CAP if max(steps) == math.inf else max(steps)
                axes.vlines(condition, min(steps), highest, color=look.color, linewidth=1)


def _draw_epsilons(axes: Axes, without: Sequence[float]) -> None:
    """Draw Adam on the diagonal problems, one line per eps; `without` are its steps at eps = 0."""
    _draw_line(axes, without, _LOOKS["Adam"], "-", 0.0, "eps = 0")
    for index, ((eps, steps), look) in enumerate(zip(epsilon_counts().items(), _EPSILON_LOOKS, strict=True)):
        _draw_line(axes, steps, look, _DASHED, _DODGE * (index - 1.5), f"eps = {number(eps)}")
    axes.legend(loc="upper left")


def _condition_axis(axes: Axes) -> None:
    axes.axhline(CAP, color=NEUTRAL, linewidth=0.7, linestyle=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(0.7, 2e9)
    axes.set_xticks([10.0**k for k in range(0, 9, 2)])
    axes.set_yticks([10.0**k for k in range(0, 9, 2)])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: number(value))
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("condition number")
    axes.set_ylabel("steps to 1e-3")


def _draw_restarts(axes: Axes) -> None:
    stages = np.arange(STAGES + 1)
    for condition, steps, rotated, look in _RESTARTS:
        shown = demonstrate(condition, steps, rotated)
        axes.plot(
            stages, shown.restarted, color=look.color, marker=look.marker, markersize=3.8, linewidth=0.9, markevery=2,
            label=f"{'rotated' if rotated else 'diagonal'} {number(condition)}, every {steps} steps",
        )  # fmt: skip
        if condition == 1:
            axes.plot(stages, shown.unrestarted, color=look.color, linestyle=":", label="diagonal 1e0, no restarts")
    axes.set_yscale("log")
    axes.set_ylim(1e-10, 3)
    axes.set_yticks([10.0**k for k in range(-10, 1, 2)])
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xticks(range(0, STAGES + 1, 5))
    axes.set_xlabel("restarts, or equally many steps without")
    axes.set_ylabel("distance to the minimiser")
    axes.legend(loc="lower left")


def draw() -> Figure:
    """Top: diagonal and rotated problems. Bottom: Adam's eps on the diagonal ones, and AdaGrad with restarts."""
    rows = counts()
    diagonal = [row for row in rows if row.rotation is None]
    left_over = statistics.median(unit_diagonal_condition(rotated_hessian(1e8, seed)) for seed in ROTATIONS)
    caption = (
        f"Quadratics in {DIMENSION} dimensions, no noise, float64; the settings are ours, the paper's are not known. "
        "Steps until the distance to the minimiser is 1e-3 of the initial one. Gradient descent uses its best step "
        "2/(L+μ), heavy ball Polyak's step and momentum, both counted exactly; all others use the best of 40 "
        f"schedules for each problem and at most {CAP:,} steps (dotted line): open markers did not get there. Solid "
        "lines are scale-free rules, dashed ones are not. b: median and range over "
        f"{len(ROTATIONS)} random rotations; at 1e8 the "
        f"best diagonal rescaling still leaves a condition number of about {number(float(f'{left_over:.0e}'))}. "
        "c: Adam with eps above 0. d: AdaGrad's average, restarted with half the step size, for three condition "
        "numbers; the two diagonal problems coincide."
    )
    entries = [
        Line2D(
            [], [], color=look.color, marker=look.marker, linestyle=_style(method), markersize=3.8,
            label=_LABELS.get(method, method),
        )
        for method, look in _LOOKS.items()
    ]  # fmt: skip
    figure = new_figure(4.7, "Scale-free rules and the condition number", caption, entries)
    panels = figure.subplots(2, 2)
    _draw_methods(panels[0, 0], diagonal)
    _draw_methods(panels[0, 1], [row for row in rows if row.rotation is not None])
    _draw_epsilons(panels[1, 0], [row.steps for row in diagonal if row.method == "Adam"])
    _draw_restarts(panels[1, 1])
    for axes in panels.flat[:3]:
        _condition_axis(axes)
    titles = ("diagonal Hessian", "rotated Hessian", "diagonal Hessian: Adam's eps", "AdaGrad with restarts")
    for axes, letter, title in zip(panels.flat, "abcd", titles, strict=True):
        axes.set_title(f"{letter}  {title}")
    return figure
