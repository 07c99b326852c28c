"""A quantity against epochs at one cell an optimizer: mean and band from the lowest to the highest seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from scalefree.experiments import Point
from scalefree.figures.evidence import Evidence, Floats
from scalefree.figures.positions import plain_log_axis
from scalefree.optimizers import look


@dataclass(frozen=True)
class Quantity:
    """A curve of the records and how it is shown: `scale * curve + offset` on a linear or a log axis."""

    curve: str
    label: str
    log: bool = False
    scale: float = 1.0
    offset: float = 0.0


TRAINING_LOSS = Quantity("train_loss", "training loss", log=True)
TEST_ACCURACY = Quantity("test_error", "test accuracy (%)", scale=-100.0, offset=100.0)


def draw_curves(axes: Axes, evidence: Evidence, points: Mapping[str, Point], quantity: Quantity) -> None:
    """Draw `quantity` for each optimizer's point; a run that diverged is a thin line that ends in a cross."""
    for optimizer, point in points.items():
        color = look(optimizer).color
        curve = quantity.scale * evidence.curve(point, quantity.curve) + quantity.offset
        completed = np.array([record.outcome.status == "completed" for record in point.records.values()])
        for row in curve[~completed]:
            epochs, row = _evaluated(row[None])
            axes.plot(epochs, row[0], color=color, linewidth=0.6, linestyle=look(optimizer).dash)
            axes.plot(epochs[-1:], row[0, -1:], "x", color=color, markersize=5, gid="diverged")
        epochs, curve = _evaluated(curve[completed])
        if not curve.size:
            continue
        axes.plot(epochs, curve.mean(axis=0), color=color, linestyle=look(optimizer).dash, label=look(optimizer).label)
        if len(curve) > 1:
            low, high = curve.min(axis=0), curve.max(axis=0)
            axes.fill_between(epochs, low, high, color=color, alpha=0.18, linewidth=0)
    if quantity.log:
        plain_log_axis(axes)
    else:
        axes.set_ylim(top=101)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins="auto", steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch")
    axes.set_ylabel(quantity.label)


def _evaluated(curve: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Epochs (E,) and values (S, E) where every row has one: epochs without an evaluation are no gaps in a line."""
    known = np.isfinite(curve).all(axis=0)
    return 1 + np.flatnonzero(known), curve[:, known]
