"""How far each optimizer is from scale-free: a row an optimizer, on a logarithmic axis from rounding to 100."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalefree.figures.style import COLORS, MARKERS, NEUTRAL, new_figure
from scalefree.theory.defect_table import DECAY, LR, OURS, Defect, defect_table
from scalefree.theory.scale_freeness import COORDINATES, STEPS

_FLOOR = 1e-17  # where a defect of exactly 0 is drawn
_ROUNDING = 1e-14
_LARGE = 1e-2
_ROW_HEIGHT = 0.165

# How a row's value at an eps is drawn: (eps, label, filled).
_EPSILONS = ((0.0, "eps = 0", True), (1e-8, "eps = 1e-8", False), (None, "no such eps", True))
_OURS_KEYS = {
    "AdamW": "adamw",
    "AdamProx": "adamprox",
    "Adam-l2": "adaml2",
    "Adam, metric prox": "adam_metric_prox",
}
_LABELS = {"Adam-l2": r"Adam-$\ell_2$"}


def _draw_rows(axes: Axes, rows: Sequence[Defect]) -> None:
    names = list(dict.fromkeys(row.name for row in rows))
    for row in rows:
        key = _OURS_KEYS.get(row.name) if row.source == OURS else None
        color = COLORS[key] if key else "black" if row.source == OURS else NEUTRAL
        marker = "D" if row.eps is None else MARKERS[key] if key else "o"
        axes.plot(
            max(row.defect, _FLOOR),
            names.index(row.name),
            marker,
            markeredgecolor=color,
            markerfacecolor="white" if row.eps else color,
            markersize=4.5 if row.eps else 3.2,
            zorder=2 if row.eps else 3,
            gid=f"{row.name}/{row.eps}",
        )
        if row.defect == 0:
            axes.text(_FLOOR * 2.5, names.index(row.name), "exactly 0", va="center", fontsize=7, color=NEUTRAL)
    axes.set_yticks(range(len(names)), [_LABELS.get(name, name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="x")
    axes.axvspan(_FLOOR / 3, _ROUNDING, color="#0072B2", alpha=0.07, linewidth=0)
    axes.axvspan(_LARGE, 1e3, color="#D55E00", alpha=0.07, linewidth=0)


def draw() -> Figure:
    """Our rules above, torch's below, each with `scale_free_defect` at its default settings."""
    table = defect_table()
    groups = [[row for row in table if (row.source == OURS) == ours] for ours in (True, False)]
    heights = [len({row.name for row in group}) for group in groups]
    caption = (
        f"Largest distance between two paths of {STEPS} steps, one on the gradients as they are and one with each of "
        f"their {COORDINATES} coordinates multiplied by its own constant between 1e-3 and 1e4, over the distance "
        f"travelled; float64, log-cosh regression with noisy gradients of size 0.1. lr = {LR:g}; decay where named is "
        rf"$\lambda$ = {DECAY:g}, converted to $\lambda/\alpha$ for torch's AdamW. Rprop, Adafactor and Adadelta have "
        "torch's default settings. RAdam's first five steps are plain momentum, hence its place. At eps = 1e-8 the "
        "defect is what eps weighs against the smallest gradients."
    )
    figure = new_figure(_ROW_HEIGHT * sum(heights) + 1.15, "How scale-free is an optimizer?", caption)
    panels = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    for axes, group, title in zip(panels, groups, ("scalefree.optim", "torch.optim"), strict=True):
        _draw_rows(axes, group)
        axes.set_title(title, loc="left", family="DejaVu Sans Mono")
    panels[0].text(_FLOOR / 2, -0.75, "", va="bottom")
    panels[1].set_xscale("log")
    panels[1].set_xlim(_FLOOR / 3, 1e3)
    panels[1].set_xlabel("scale-free defect: relative change of the iterates")
    handles = [
        Line2D(
            [], [], linestyle="none", marker="D" if eps is None else "o", markeredgecolor=NEUTRAL,
            markerfacecolor=NEUTRAL if filled else "white", markersize=3.2 if filled else 4.5, label=label,
        )
        for eps, label, filled in _EPSILONS
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure
