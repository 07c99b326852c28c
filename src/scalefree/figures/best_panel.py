"""Each optimizer's best cell against a factor that separates settings: depth, eps, initialisation."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalefree.experiments import Point, Setting
from scalefree.figures.evidence import diverged_seeds, drawn_errors
from scalefree.figures.positions import plain_log_axis
from scalefree.figures.seed_interval import LEAST_SEEDS, draw_interval
from scalefree.figures.style import NEUTRAL, nothing_yet
from scalefree.optimizers import look

Measure = Literal["accuracy", "error"]
# A setting and its place on the factor's axis.
Placed = Sequence[tuple[float, Setting]]

NOTE = (
    "Each optimizer at its own best cell. Small dots: seeds; filled: their mean at the cell of lowest test error; "
    "hollow: at the cell of lowest validation error, where that is another; bars: 95% t interval, from "
    f"{LEAST_SEEDS} seeds on if none diverged; crosses: diverged, counted as error 100%"
)


def dodge_width(places: Sequence[float]) -> float:
    """The step aside between two optimizers at one place: wide enough for their markers, small beside the axis."""
    span = max(places) - min(places)
    if span == 0:
        return 0.025
    return (0.022 if len(set(places)) > 2 else 0.04) * span


def _percent(errors: Mapping[int, float], measure: Measure) -> dict[int, float]:
    return {seed: 100 * (1 - error if measure == "accuracy" else error) for seed, error in errors.items()}


def _draw_point(axes: Axes, x: float, point: Point, optimizer: str, measure: Measure, width: float) -> float:
    """Seeds and interval of one chosen cell; returns the mean."""
    color = look(optimizer).color
    values = _percent(drawn_errors(point), measure)
    diverged = diverged_seeds(point)
    jitter = np.linspace(-width, width, len(values)) if len(values) > 1 else np.zeros(1)
    for shift, (seed, value) in zip(jitter, values.items(), strict=True):
        if seed in diverged:
            axes.plot(x + shift, value, "x", color=color, markersize=4.5, gid="diverged", clip_on=False)
        else:
            axes.plot(
                x + shift, value, "o", color="black", markersize=1.8, alpha=0.7, markeredgewidth=0, zorder=3, gid="seed"
            )
    if not diverged:
        # Half the lowest seed, so that an interval that reaches below zero still leaves a logarithmic axis readable.
        draw_interval(axes, x, list(values.values()), color, least=min(values.values()) / 2)
    return float(np.mean(list(values.values())))


def draw_best(
    axes: Axes,
    placed: Placed,
    optimizers: Sequence[str],
    measure: Measure,
    chance: float | None,
    joined: bool = True,
) -> None:
    """Draw the best cells; `chance` is the error in [0, 1] of guessing, drawn as a thin line."""
    dodge = dodge_width([place for place, _ in placed])
    for index, optimizer in enumerate(optimizers):
        color, marker = look(optimizer).color, look(optimizer).marker
        shift = dodge * (index - (len(optimizers) - 1) / 2)
        means = []
        for place, setting in placed:
            x = place + shift
            point = setting.best(optimizer)
            if point is None:
                continue
            means.append((x, _draw_point(axes, x, point, optimizer, measure, 0.3 * dodge)))
            other = setting.best(optimizer, "validation")
            if other is not None and other is not point:
                mean = float(np.mean(list(_percent(drawn_errors(other), measure).values())))
                axes.plot(
                    x, mean, marker, markerfacecolor="white", markeredgecolor=color, markersize=6.5, zorder=2.2,
                    markeredgewidth=0.9, gid="validation",
                )  # fmt: skip
        if means:
            axes.plot(
                *zip(*means, strict=True), color=color, marker=marker, zorder=2.5, label=look(optimizer).label,
                linestyle=look(optimizer).dash if joined else "none", gid="best",
            )  # fmt: skip
    if not any(setting.best(optimizer) for optimizer in optimizers for _, setting in placed):
        nothing_yet(axes)
    if chance is not None:
        axes.axhline(
            100 * (1 - chance if measure == "accuracy" else chance), color=NEUTRAL, linewidth=0.7, linestyle=":"
        )
    if measure == "accuracy":
        axes.set_ylim(0, 101)
        axes.set_ylabel("test accuracy (%)")
    else:
        plain_log_axis(axes)
        axes.set_ylabel("test error (%)")


def draw_each_cell(axes: Axes, placed: Placed, optimizers: Sequence[str]) -> None:
    """A faint line of mean errors for every (step size, decay); cells with a diverged seed are gaps."""
    for optimizer in optimizers:
        lines: dict[tuple[float, float], list[tuple[float, float]]] = {}
        for place, setting in placed:
            for point in setting.of(optimizer):
                error = point.mean_error()
                shown = np.nan if error is None or diverged_seeds(point) else 100 * error
                lines.setdefault((point.lr, point.weight_decay), []).append((place, shown))
        for line in lines.values():
            axes.plot(*zip(*line, strict=True), color=look(optimizer).color, linewidth=0.6, alpha=0.3, gid="cell")


def factor_axis(axes: Axes, places: Sequence[float], labels: Sequence[str], name: str) -> None:
    """Ticks at the factor's values and equal margins at both ends."""
    axes.set_xticks(list(places), list(labels))
    margin = 0.08 * (max(places) - min(places)) or 0.25
    axes.set_xlim(min(places) - margin, max(places) + margin)
    axes.set_xlabel(name)


def legend_entries(settings: Sequence[Setting], optimizers: Sequence[str], chance: bool) -> list[Line2D]:
    """One entry an optimizer, one for the hollow markers if validation can choose, one for the chance level."""
    entries = [
        Line2D([], [], color=of.color, marker=of.marker, linestyle=of.dash, label=of.label)
        for of in map(look, optimizers)
    ]
    if any(setting.config.dataset.validation_fraction for setting in settings):
        hollow = Line2D([], [], color=NEUTRAL, marker="o", linestyle="none", label="chosen by validation")
        hollow.set_markerfacecolor("white")
        entries.append(hollow)
    if chance:
        entries.append(Line2D([], [], color=NEUTRAL, linewidth=0.7, linestyle=":", label="chance"))
    return entries
