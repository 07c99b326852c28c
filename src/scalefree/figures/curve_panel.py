"""A quantity against epochs at one cell an optimizer: mean and band from the lowest to the highest seed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from scalefree.experiments import Point
from scalefree.figures.evidence import Evidence, Floats
from scalefree.figures.positions import plain_log_axis
from scalefree.figures.style import COLORS, DASHES, NAMES


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


def band(curve: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, lowest and highest over the seeds (rows) that have a value at each epoch (columns); one at least must."""
    return np.nanmean(curve, axis=0), np.nanmin(curve, axis=0), np.nanmax(curve, axis=0)


def draw_curves(axes: Axes, evidence: Evidence, points: Mapping[str, Point], quantity: Quantity) -> None:
    """Draw `quantity` for each optimizer's point; a run that diverged ends in a cross."""
    for optimizer, point in points.items():
        curve = quantity.scale * evidence.curve(point, quantity.curve) + quantity.offset
        # Between two evaluations every seed has NaN; such epochs are no gaps.
        evaluated = np.isfinite(curve).any(axis=0)
        curve, epochs = curve[:, evaluated], 1 + np.flatnonzero(evaluated)
        if not curve.size:
            continue
        mean, low, high = band(curve)
        color = COLORS[optimizer]
        axes.plot(epochs, mean, color=color, linestyle=DASHES[optimizer], label=NAMES[optimizer])
        if len(curve) > 1:
            axes.fill_between(epochs, low, high, color=color, alpha=0.18, linewidth=0)
        for record, row in zip(point.records.values(), curve, strict=True):
            last = int(np.isfinite(row).sum()) - 1
            if record.outcome.status == "diverged" and last >= 0:
                axes.plot(epochs[last], row[last], "x", color=color, markersize=5, gid="diverged")
    if quantity.log:
        plain_log_axis(axes)
    else:
        axes.set_ylim(top=101)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins="auto", steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch")
    axes.set_ylabel(quantity.label)
