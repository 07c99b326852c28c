"""How far each optimizer is from scale-free: one row per optimizer, on a logarithmic axis from rounding to 100."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalefree.experiments.names import number
from scalefree.figures.style import ALPHA, LAMBDA, NEUTRAL, look, new_figure
from scalefree.optimizers import OPTIMIZERS
from scalefree.theory.defect_table import DECAY, LR, OURS, Defect, defect_table
from scalefree.theory.scale_freeness import STEPS
from scalefree.theory.walk import COORDINATES

_ZERO = 1e-17  # where a defect of exactly 0 is drawn
_LEFT, _RIGHT = 3e-18, 1e3
# Defects below the first are rounding; those above the second are not caused by eps.
_ROUNDING, _LARGE = 1e-14, 1e-2
_ROW_HEIGHT = 0.17

# Label, marker, size and fill by eps; if two coincide, the dot is inside the ring.
_MARKS: dict[float | None, tuple[str, str, float, bool]] = {
    0.0: ("eps = 0", "o", 3.0, True),
    1e-8: ("eps = 1e-8", "o", 6.0, False),
    None: ("no such eps", "D", 3.6, True),
}


def _mark(defect: float, place: float, eps: float | None, color: str) -> Line2D:
    label, marker, size, filled = _MARKS[eps]
    return Line2D(
        [defect], [place], linestyle="none", marker=marker, markersize=size, markeredgecolor=color,
        markerfacecolor=color if filled else "none", label=label,
    )  # fmt: skip


def _draw_rows(axes: Axes, rows: Sequence[Defect]) -> None:
    """Scale-free optimizers first, otherwise in the table's order."""
    least = {name: min(row.defect for row in rows if row.name == name) for name in dict.fromkeys(r.name for r in rows)}
    names = sorted(least, key=lambda name: least[name] > _LARGE)
    for row in rows:
        color = look(row.name).color if row.name in OPTIMIZERS else "black" if row.source == OURS else "#333333"
        place = names.index(row.name)
        axes.add_line(_mark(max(row.defect, _ZERO), place, row.eps, color))
        if row.defect == 0:
            axes.text(3 * _ZERO, place, "exactly 0", va="center", color=NEUTRAL)
    axes.set_yticks(range(len(names)), [look(name).label for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="x")
    axes.axvspan(_LEFT, _ROUNDING, color="#0072B2", alpha=0.08, linewidth=0)
    axes.axvspan(_LARGE, _RIGHT, color="#D55E00", alpha=0.08, linewidth=0)


def draw() -> Figure:
    """Draw our rules above torch's, each with its `scale_free_defect` at default settings."""
    table = defect_table()
    groups = [[row for row in table if (row.source == OURS) == ours] for ours in (True, False)]
    heights = [len({row.name for row in group}) for group in groups]
    caption = (
        f"Largest distance in {STEPS} steps between the path on the original gradients and the path on gradients in "
        f"which each of {COORDINATES} coordinates is multiplied by its own constant between 1e-3 and 1e4, over the "
        "distance travelled; float64, log-cosh regression with noisy gradients of size 0.1. "
        f"lr = {number(LR)}; decay, if named, is {LAMBDA} = {number(DECAY)} ({LAMBDA}/{ALPHA} for torch's AdamW). "
        "Rprop, Adafactor and Adadelta have torch's default settings. Blue: rounding. Orange: not scale-free, whatever "
        "eps is. RAdam is among these because its first five steps are plain momentum."
    )
    entries = [_mark(1.0, 0.0, eps, "#333333") for eps in _MARKS]
    figure = new_figure(_ROW_HEIGHT * sum(heights) + 0.95, "How scale-free is an optimizer?", caption, entries)
    panels = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    for axes, group in zip(panels, groups, strict=True):
        _draw_rows(axes, group)
        axes.set_title(group[0].source, loc="left")
    panels[1].set_xscale("log")
    panels[1].set_xlim(_LEFT, _RIGHT)
    panels[1].set_xticks([10.0**k for k in range(-16, 3, 2)])
    panels[1].xaxis.set_major_formatter(lambda value, _: number(value))
    panels[1].set_xlabel("scale-free defect: relative change of the iterates")
    return figure
