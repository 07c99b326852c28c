"""What a comparison of optimizers consists of, whichever figure draws it: who, at which cells, in which panels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from scalefree.experiments import Point, Setting
from scalefree.figures.curve_panel import TEST_ACCURACY, TRAINING_LOSS, draw_curves
from scalefree.figures.difference_panel import draw_differences
from scalefree.figures.evidence import Evidence
from scalefree.figures.histogram_panel import draw_histograms

# One point an optimizer: whose curves and histograms are shown.
Chosen = Mapping[str, Point]
Panel = Callable[[Axes, Evidence, Setting, Chosen], None]


def loss_panel(axes: Axes, evidence: Evidence, _: Setting, chosen: Chosen) -> None:
    """Training loss against epochs."""
    draw_curves(axes, evidence, chosen, TRAINING_LOSS)


def accuracy_panel(axes: Axes, evidence: Evidence, _: Setting, chosen: Chosen) -> None:
    """Test accuracy against epochs."""
    draw_curves(axes, evidence, chosen, TEST_ACCURACY)


def histogram_panel(axes: Axes, evidence: Evidence, _: Setting, chosen: Chosen) -> None:
    """Update scales at the last epoch."""
    draw_histograms(axes, evidence, chosen)


def prox_difference_panel(axes: Axes, _: Evidence, setting: Setting, __: Chosen) -> None:
    """AdamProx minus AdamW, cell by cell."""
    draw_differences(axes, setting, "adamprox", "adamw")


def each_at_its_best(setting: Setting, optimizers: Sequence[str]) -> dict[str, Point]:
    """Every optimizer's own best cell by test error, those that have one."""
    best = {optimizer: setting.best(optimizer) for optimizer in optimizers}
    return {optimizer: point for optimizer, point in best.items() if point is not None}


def all_at_adamws_best(setting: Setting, optimizers: Sequence[str]) -> dict[str, Point]:
    """The same step size and decay for all: AdamW's best cell.

    Among cells with a decay where there are any, since without one all optimizers are the same run.
    """
    candidates = [p for p in setting.of("adamw") if p.status == "completed"]
    candidates = [p for p in candidates if p.weight_decay > 0] or candidates
    if not candidates:
        return {}
    best = min(candidates, key=lambda p: (p.mean_error() or 0.0, p.weight_decay, p.lr))
    found = {}
    for optimizer in optimizers:
        for point in setting.of(optimizer):
            if (point.lr, point.weight_decay) == (best.lr, best.weight_decay) and point.records:
                found[optimizer] = point
    return found


@dataclass(frozen=True)
class Comparison:
    """In which panels, beside their error grids, all optimizers of a setting are compared.

    Attributes:
        choose: gives the point of each optimizer whose curves and histograms are shown.
        notes: sentences for the caption.
        published: whether the paper's own numbers are added where they are known.
    """

    panels: tuple[Panel, ...]
    choose: Callable[[Setting, Sequence[str]], dict[str, Point]]
    notes: tuple[str, ...]
    published: bool = False
