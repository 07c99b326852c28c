"""The atlas at a glance: how decay affects scale-freeness, and how scale-freeness relates to conditioning."""

import math
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from scalefree.experiments.names import number
from scalefree.figures.style import LAMBDA, NEUTRAL, look, new_figure
from scalefree.theory.atlas import DECAY, Row
from scalefree.theory.atlas_conditioning import CAP

_LOW, _HIGH = 1e-17, 1e6  # where 0 and inf are drawn
_BEYOND = 1e3  # where ratios are drawn if the count reached its cap

# Keyed by the beginning of the kind of decay: label, marker, colour.
_LOOKS = {
    "coupled = decoupled": ("both at once", "P", NEUTRAL),
    "coupled": ("coupled", "s", look("adaml2").color),
    "decoupled": ("decoupled", "o", look("adamw").color),
    "proximal": ("proximal", "^", look("adamprox").color),
    "": ("another or none", "D", look("adam_metric_prox").color),
}
# Well-known optimizers to label, with the offset of the label in points.
_NAMED_BY_DECAY = {
    "torch.optim.Adam": (5, -1), "torch.optim.AdamW": (5, -4), "torch.optim.SGD": (5, -6),
    "torch.optim.Adagrad": (-32, -8), "torch.optim.Muon": (5, -5), "torch.optim.RAdam": (-26, 4),
    "pytorch_optimizer.ADOPT": (4, 4), "pytorch_optimizer.Lion": (5, -2), "pytorch_optimizer.AdamS": (5, -5),
    "pytorch_optimizer.Adan": (-20, 3), "pytorch_optimizer.Lamb": (5, -4), "scalefree.optim.AdamMetricProx": (-30, 5),
    "scalefree.optim.AdamProx": (5, -4),
}  # fmt: skip
_NAMED_BY_STEPS = {
    "torch.optim.Adam": (-6, -9), "torch.optim.SGD": (-8, -9), "torch.optim.Adagrad": (-10, -9),
    "pytorch_optimizer.Lion": (0, -9), "torch.optim.RAdam": (5, -3), "pytorch_optimizer.AdaHessian": (-18, -9),
    "pytorch_optimizer.FlashAdamW": (-30, -9), "pytorch_optimizer.Kron": (5, -3),
}  # fmt: skip


def _look(kind: str) -> tuple[str, str, str]:
    return next(look for beginning, look in _LOOKS.items() if kind.startswith(beginning))


def _shown(defect: float) -> float:
    return min(max(defect, _LOW), _HIGH)


def _scatter(axes: Axes, points: Iterable[tuple[Row, float, float]], named: dict[str, tuple[int, int]]) -> None:
    for row, x, y in points:
        _, marker, color = _look(row.decay)
        axes.plot(
            [x], [y], linestyle="none", marker=marker, markersize=3.4, markeredgecolor="white", markeredgewidth=0.3,
            markerfacecolor=color, alpha=0.85, gid=row.name,
        )  # fmt: skip
        if row.name in named:
            axes.annotate(row.optimizer, (x, y), named[row.name], textcoords="offset points", fontsize=6)


def _defect_axis(axes: Axes, along: str) -> None:
    axis = axes.xaxis if along == "x" else axes.yaxis
    axes.set(**{f"{along}scale": "log", f"{along}lim": (_LOW / 5, _HIGH * 5)})
    axis.set_ticks([10.0**k for k in range(-16, 7, 4)])
    axis.set_major_formatter(lambda value, _: number(value))
    axis.set_minor_locator(NullLocator())


def draw(rows: Sequence[Row]) -> Figure:
    """Left: defect with against without decay. Right: the cost of a condition number against the defect."""
    measured = [row for row in rows if not row.reason]
    decaying = [row for row in measured if not math.isnan(row.defect_decay)]
    counted = [row for row in measured if row.steps_identity < math.inf]
    caption = (
        f"{len(measured)} optimizers at their default step size and eps. a: the scale-free defect with decay "
        f"{LAMBDA} = {number(DECAY)} against that without, by the kind of decay that is the library's default; on the "
        "diagonal, decay changes nothing. Defects of 0 are drawn at 1e-17, infinite ones at 1e6. b: steps on a "
        f"diagonal quadratic of condition number 1e4 over steps at condition number 1 ({len(counted)} optimizers that "
        f"converge at 1); at the dotted line, more than {CAP} steps. docs/atlas.md explains each number."
    )
    entries = [
        Line2D([], [], linestyle="none", marker=marker, markersize=3.8, color=color, label=label)
        for label, marker, color in _LOOKS.values()
    ]
    figure = new_figure(2.9, "Decay, conditioning and scale-freeness of each optimizer", caption, entries)
    left, right = figure.subplots(1, 2)
    left.plot([_LOW, _HIGH], [_LOW, _HIGH], color=NEUTRAL, linewidth=0.6, linestyle=":")
    _scatter(left, [(row, _shown(row.defect), _shown(row.defect_decay)) for row in decaying], _NAMED_BY_DECAY)
    _defect_axis(left, "x")
    _defect_axis(left, "y")
    left.set(xlabel="defect without decay", ylabel="defect with decay", title="a  what decay does")
    ratios = [(row, _shown(row.defect), _ratio(row)) for row in counted]
    right.axhline(_BEYOND, color=NEUTRAL, linewidth=0.7, linestyle=":")
    _scatter(right, ratios, _NAMED_BY_STEPS)
    _defect_axis(right, "x")
    right.set(
        yscale="log", ylim=(0.5, 2 * _BEYOND), xlabel="defect without decay", ylabel="steps at 1e4 / steps at 1",
        title="b  what conditioning costs",
    )  # fmt: skip
    right.yaxis.set_minor_locator(NullLocator())
    right.yaxis.set_major_formatter(lambda value, _: number(value))
    return figure


def _ratio(row: Row) -> float:
    return min(row.steps_diagonal_1e4 / row.steps_identity, _BEYOND)
