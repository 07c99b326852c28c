"""AdamW against AdamProx on a toy quadratic: after one step, and over whole trajectories."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from scalefree.experiments.names import number
from scalefree.figures.style import ALPHA as ALPHA_SIGN
from scalefree.figures.style import DECAY_LABEL, MINUS, NEUTRAL, look, new_figure
from scalefree.theory.prox_expansion import (
    ALPHA,
    SIZE,
    STEPS,
    decay_gap,
    log_slope,
    one_step_differences,
    trajectory_gaps,
)

_ETAS = [float(eta) for eta in np.geomspace(1e-4, 1, 9)]
_FITTED = 7  # of them, up to eta = 0.1
_STEP_LOOKS = {1e-4: ("v", "#56B4E9"), 1e-2: ("o", "#0072B2"), 1.0: ("s", "black")}  # lambda: marker, colour
_DECAYS_AT_FULL_ETA = [float(decay) for decay in np.geomspace(1e-8, 1, 33)]
_TRAJECTORY_DECAYS = (1e-4, 1e-3, 1e-2, 1e-1)


def _draw_one_step(axes: Axes) -> None:
    for decay, (marker, color) in _STEP_LOOKS.items():
        rows = one_step_differences([decay] * len(_ETAS), _ETAS)
        slope = log_slope([row.eta for row in rows[:_FITTED]], [row.measured for row in rows[:_FITTED]])
        products = [decay * row.eta for row in rows]
        axes.plot(products, [row.exact for row in rows], color=color, linewidth=0.9)
        axes.plot(
            products, [row.measured for row in rows], marker, color=color, markersize=3.8, gid="measured",
            label=f"η varies, λ = {number(decay)}: slope {slope:.2f}",
        )  # fmt: skip
    rows = one_step_differences(_DECAYS_AT_FULL_ETA, [1.0] * len(_DECAYS_AT_FULL_ETA))
    axes.plot(
        [row.weight_decay for row in rows], [row.exact for row in rows], color=look("adaml2").color, linestyle="--",
        linewidth=1, zorder=1.5, label="λ varies, η = 1: slope 1, then 2",
    )  # fmt: skip
    axes.set_xlabel("λη")
    axes.set_ylabel(f"|AdamProx {MINUS} AdamW| after one step")
    axes.set_ylim(1e-15, 1e3)
    axes.legend(loc="upper left")


def _draw_trajectories(axes: Axes) -> None:
    rows = trajectory_gaps(_TRAJECTORY_DECAYS)
    decays = [row.weight_decay for row in rows]
    alone = [SIZE * decay_gap(decay) for decay in decays]
    blue = look("adamw").color
    axes.plot(decays, alone, color=NEUTRAL, linewidth=0.9, label="from the decay of the start alone")
    axes.plot(decays, [row.gap for row in rows], "o", color=blue, label="AdamW", gid="gap")
    axes.plot(
        decays, [row.slowed for row in rows], "D", markerfacecolor="white", markeredgecolor=blue, gid="slowed",
        label=f"AdamW with {ALPHA_SIGN} and λ divided by 1 + λ",
    )  # fmt: skip
    axes.set_xlabel(DECAY_LABEL)
    axes.set_ylabel(f"largest gap to AdamProx in {STEPS:,} steps")
    axes.set_ylim(1e-17, 10)
    axes.legend(loc="center")


def _decade_axes(axes: Axes) -> None:
    """Make both axes logarithmic, with plain numbers."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_major_formatter(lambda value, _: number(value))
        axis.set_minor_locator(NullLocator())


def draw() -> Figure:
    """The one-step difference against lambda eta, and the largest gap of two trajectories against lambda."""
    caption = (
        "Toy quadratic of condition number 100 along random axes in 10 dimensions; largest coordinate of start and "
        f"minimiser {SIZE:g}, {ALPHA_SIGN} = {number(ALPHA)}, float64. a: one step from a common state; points are "
        f"measured, lines are the exact η² λ |λx + {ALPHA_SIGN}p| / (1 + λη), slopes fitted up to η = 0.1. The gap is "
        f"second order in the schedule η; in λ at η = 1 it is first order, with the small factor {ALPHA_SIGN}, "
        "until the decay outweighs the step. b: largest coordinate at any step, η = 1. AdamProx is exactly an AdamW "
        f"whose {ALPHA_SIGN} and λ are both smaller by the factor 1 + λ."
    )
    figure = new_figure(2.6, "AdamW is AdamProx to first order", caption)
    one_step, trajectories = figure.subplots(1, 2)
    for axes in (one_step, trajectories):
        _decade_axes(axes)
    _draw_one_step(one_step)
    _draw_trajectories(trajectories)
    one_step.set_title("a  one step")
    trajectories.set_title("b  whole trajectories")
    return figure
