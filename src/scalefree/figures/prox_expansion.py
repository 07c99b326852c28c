"""AdamW against AdamProx on a toy quadratic: one step apart, and over whole trajectories."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalefree.figures.style import COLORS, NEUTRAL, new_figure
from scalefree.theory.prox_expansion import ALPHA, SIZE, STEPS, log_slope, one_step_differences, trajectory_gaps

_ETAS = [float(eta) for eta in np.geomspace(1e-4, 1, 9)]
_STEP_DECAYS = ((1e-4, "v", "#56B4E9"), (1e-2, "o", "#0072B2"), (1.0, "s", "black"))
_DECAYS_AT_FULL_ETA = [float(decay) for decay in np.geomspace(1e-8, 1, 17)]
_TRAJECTORY_DECAYS = (1e-4, 1e-3, 1e-2, 1e-1)


def _draw_one_step(axes: Axes) -> None:
    for decay, marker, color in _STEP_DECAYS:
        rows = one_step_differences([decay] * len(_ETAS), _ETAS)
        slope = log_slope([row.eta for row in rows[:7]], [row.measured for row in rows[:7]])  # eta up to 0.1
        products = [decay * row.eta for row in rows]
        axes.plot(products, [row.exact for row in rows], color=color)
        axes.plot(
            products, [row.measured for row in rows], marker, color=color, markersize=3.5,
            label=rf"$\eta$ varies, $\lambda$ = {decay:g}: slope {slope:.2f}", gid="measured",
        )  # fmt: skip
    rows = one_step_differences(_DECAYS_AT_FULL_ETA, [1.0] * len(_DECAYS_AT_FULL_ETA))
    axes.plot(
        [row.weight_decay for row in rows], [row.exact for row in rows], color=COLORS["adaml2"], linestyle="--",
        label=r"$\lambda$ varies, $\eta$ = 1: slope 1, then 2",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(r"$\lambda\eta$")
    axes.set_ylabel("|AdamProx $-$ AdamW| after one step")
    axes.legend(loc="upper left")


def _draw_trajectories(axes: Axes) -> None:
    rows = trajectory_gaps(_TRAJECTORY_DECAYS)
    decays = np.array([row.weight_decay for row in rows])
    axes.plot(
        decays, decays * SIZE / math.e, color=NEUTRAL, linewidth=0.9, label=r"decay of the start: $\lambda |x_0| / e$"
    )
    axes.plot(decays, [row.gap for row in rows], "o", color=COLORS["adamw"], label=r"AdamW at the same $\alpha, \lambda$")
    axes.plot(
        decays, [row.slowed for row in rows], "D", markerfacecolor="white", color=COLORS["adamw"],
        label=r"AdamW at $\alpha, \lambda$ divided by $1 + \lambda$",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-17, 10)
    axes.set_xlabel(r"weight decay $\lambda$")
    axes.set_ylabel(f"largest gap to AdamProx in {STEPS:,} steps")
    axes.legend(loc="center left", bbox_to_anchor=(0, 0.5))


def draw() -> Figure:
    """The one-step difference against lambda eta, and the largest gap of two trajectories against lambda."""
    caption = (
        r"Toy quadratic of condition number 100 along random axes in 10 dimensions, start and minimiser of size "
        rf"{SIZE:g}, $\alpha$ = {ALPHA:g}, float64. Left: points are measured from a common state after 20 steps, lines are "
        r"the exact $\eta^2 \lambda\, |\lambda x + \alpha p| \,/\, (1 + \lambda\eta)$; slopes are fitted up to $\eta$ = 0.1. "
        r"The difference is of second order in the schedule $\eta$; in $\lambda$ it is of first order (with the small "
        r"factor $\alpha$) until the decay outweighs the step. Right: $\eta$ = 1, largest coordinate. AdamProx is "
        r"exactly an AdamW whose $\alpha$ and $\lambda$ are both smaller by 1 + $\lambda$."
    )
    figure = new_figure(2.75, "AdamW is AdamProx to first order", caption)
    one_step, trajectories = figure.subplots(1, 2)
    _draw_one_step(one_step)
    _draw_trajectories(trajectories)
    one_step.set_title("one step")
    trajectories.set_title("whole trajectories")
    return figure
