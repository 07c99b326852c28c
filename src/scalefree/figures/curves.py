"""A quantity against epochs: one line per method, and at the right edge the seeds that it averages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from scalefree.experiments.evidence import readable_arrays
from scalefree.experiments.results import Point
from scalefree.figures.scales import plain_log_axis
from scalefree.figures.style import Look, look
from scalefree.optimizers import Dash
from scalefree.records import Store

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A curve of the records and how to show it: `scale * curve + offset` on a linear or a log axis."""

    curve: str
    label: str
    log: bool = False
    scale: float = 1.0
    offset: float = 0.0


# The paper's training loss, on the images as augmented for that epoch. Older records have only that on plain images.
AUGMENTED_LOSS = Quantity("augmented_train_loss", "training loss, augmented (nats)", log=True)
PLAIN_LOSS = Quantity("train_loss", "training loss, not augmented (nats)", log=True)
TEST_ACCURACY = Quantity("test_error", "test accuracy (%)", scale=-100.0, offset=100.0)

# So many evaluations, or fewer, get a marker each.
FEW = 10
CURVES_NOTE = (
    "Curves: means over the completed seeds; dots at their ends: the seeds; thin lines ending in a cross: diverged runs"
)


def sharing(points: Mapping[str, Point], method: str) -> list[str]:
    """The methods that have the same runs as this one: without decay, all are the same algorithm."""
    own = [result.cell for result in points[method].results]

    def is_same(point: Point) -> bool:
        cells = [result.cell for result in point.results]
        # Trained once for all of them, or by each of them.
        return [of.identity for of in cells] == [of.identity for of in own] or [of.run for of in cells] == [
            of.run for of in own
        ]

    return [other for other, point in points.items() if is_same(point)]


def line_dash(points: Mapping[str, Point], method: str, looks: Callable[[str], Look] = look) -> Dash:
    """A method's dash; methods with the same run alternate along its line, so that none hides another."""
    same = sharing(points, method)
    if len(same) == 1:
        return looks(method).dash
    return 3.0 * same.index(method), (3.0, 3.0 * (len(same) - 1))


def training_loss(store: Store, points: Mapping[str, Point]) -> Quantity:
    """The augmented loss, as in the paper, or the plain one if a record lacks it."""
    records = [record for point in points.values() for record in point.records.values()]
    whole = all(AUGMENTED_LOSS.curve in readable_arrays(store, record, "curves") for record in records)
    return AUGMENTED_LOSS if whole else PLAIN_LOSS


def curve_of(store: Store, point: Point, name: str) -> Floats:
    """A curve of all seeds (S, E), rows as in `point.records`; NaN where not evaluated or after divergence."""
    rows = [readable_arrays(store, record, "curves").get(name, ()) for record in point.records.values()]
    curve = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for index, row in enumerate(rows):
        curve[index, : len(row)] = row
    return curve


def _evaluated(curve: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Epochs (E,) and values (S, E) where every row has a value, so that unevaluated epochs leave no gap in a line."""
    known = np.isfinite(curve).all(axis=0)
    return 1 + np.flatnonzero(known), curve[:, known]


def draw_curves(
    axes: Axes,
    store: Store,
    points: Mapping[str, Point],
    quantity: Quantity,
    looks: Callable[[str], Look] = look,
) -> None:
    """Draw `quantity` for each method's runs, or for any other series that `looks` knows."""
    for index, (method, point) in enumerate(points.items()):
        color, dash = looks(method).color, line_dash(points, method, looks)
        curve = quantity.scale * curve_of(store, point, quantity.curve) + quantity.offset
        completed = np.array([record.outcome.status == "completed" for record in point.records.values()], dtype=bool)
        for row in curve[~completed]:
            epochs, values = _evaluated(row[None])
            axes.plot(epochs, values[0], color=color, linewidth=0.6, linestyle=dash)
            axes.plot(epochs[-1:], values[0, -1:], "x", color=color, markersize=5, gid="diverged")
        epochs, curve = _evaluated(curve[completed])
        if not curve.size:
            continue
        # Few evaluations are shown where they are: a line alone looks measured everywhere.
        marker = "." if len(epochs) <= FEW else None
        axes.plot(epochs, curve.mean(axis=0), color=color, linestyle=dash, marker=marker, label=method, gid="mean")
        end = 1.02 + 0.025 * (index + 1)
        axes.plot(
            np.full(len(curve), epochs[-1] * end), curve[:, -1], "o", color=color, markersize=2, alpha=0.55,
            markeredgewidth=0, gid="seed",
        )  # fmt: skip
    if quantity.log:
        plain_log_axis(axes)
    else:
        axes.set_ylim(top=101)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins="auto", steps=[1, 2, 5, 10]))
    if axes.get_xlim()[1] - axes.get_xlim()[0] < 1:  # of a single epoch
        axes.set(xticks=[1], xlim=(0.5, 1.5))
    axes.set_xlabel("epoch")
    axes.set_ylabel(quantity.label)
