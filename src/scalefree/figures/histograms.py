"""Histograms of update scales and effective decays, as shares of all coordinates by power of two."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from scalefree.bins import SIZES, counts_name, edges_of
from scalefree.experiments.evidence import readable_arrays
from scalefree.experiments.results import Point
from scalefree.figures.style import ALPHA, ETA, LAMBDA, LOG2
from scalefree.optimizers import BY_CHANGE, Dash, look
from scalefree.records import Store

EFFECTIVE_DECAY_LABEL = f"{LOG2} (effective decay / {LAMBDA}{ETA})"
# The underflow bin is drawn this many powers of two left of the first interior bin, and twice as wide as a bin.
_GAP, _WIDTH = 3.0, 2.0
# The underflow bin of update scales, whose interior bins begin just below the 1e-8 where underflow ends.
UNDERFLOW_PLACE = SIZES.lowest - _GAP - _WIDTH / 2


@dataclass(frozen=True)
class Histogram:
    """A quantity at the last measurement, averaged over the completed seeds.

    Attributes:
        exponents: (B,) int: an interior bin holds [2^k, 2^(k+1)).
        shares: (B + 3,) shares of all coordinates: underflow, the interior bins, overflow, not finite; they sum to 1.
        when: `in step 1,152, in epoch 32`, for all runs; the end of the epoch if steps were not recorded.
    """

    exponents: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    when: tuple[str, ...]


def histogram_of(store: Store, point: Point, quantity: str = "update_scale") -> Histogram | None:
    """The histogram of the whole network; None if no completed run has one."""
    network = counts_name(quantity, "network")
    completed = [record for record in point.records.values() if record.outcome.status == "completed"]
    found = [
        arrays for record in completed if len((arrays := readable_arrays(store, record, "histograms")).get(network, ()))
    ]
    if not found:
        return None
    counts = np.array([arrays[network][-1] for arrays in found], dtype=np.float64)
    shares = (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)
    when = [
        f"in step {int(arrays['step'][-1]):,}, in epoch {int(arrays['epoch'][-1])}"
        if "step" in arrays
        else f"after epoch {int(arrays['epoch'][-1])}'s last step"
        for arrays in found
    ]
    return Histogram(edges_of(found[0], quantity), shares, tuple(dict.fromkeys(when)))


def histograms_of(store: Store, points: Mapping[str, Point]) -> dict[str, Histogram]:
    """The update scales of the points whose completed runs have any."""
    found = {name: histogram_of(store, point) for name, point in points.items()}
    return {name: histogram for name, histogram in found.items() if histogram is not None}


def measured_when(histograms: Sequence[Histogram]) -> str:
    """When the last histograms were measured, for a caption."""
    when = dict.fromkeys(text for histogram in histograms for text in histogram.when)
    return f"measured {' or '.join(when)}" if when else "none yet"


def outlines(histogram: Histogram) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """(edges, shares) of the pieces to draw: the underflow bin, the interior bins with the overflow bin after them.

    Coordinates that are not finite have no place on the axis and are left out.
    """
    first, last = int(histogram.exponents[0]), int(histogram.exponents[-1])
    underflow = np.array([first - _GAP - _WIDTH, first - _GAP])
    return [(underflow, histogram.shares[:1]), (np.arange(first, last + 3, dtype=np.float64), histogram.shares[1:-1])]


def draw_histogram(axes: Axes, histogram: Histogram, color: str, dash: Dash, fill: bool = True) -> None:
    """Draw a step outline, filled if it is the only one."""
    for edges, shares in outlines(histogram):
        if fill:
            axes.stairs(shares, edges, fill=True, color=color, alpha=0.3)
        axes.stairs(shares, edges, color=color, linestyle=dash, linewidth=1.0, gid="outline")
    if histogram.shares[-1] > 0:
        axes.text(
            0.98, 0.78, f"{100 * histogram.shares[-1]:.2g} % not finite", transform=axes.transAxes, ha="right",
            va="top", color=color, fontsize=7,
        )  # fmt: skip


def update_scale_label(methods: Iterable[str]) -> str:
    """The axis label of update scales; for a torch optimizer, whose direction is unknown, the change of the weights."""
    by_change = {look(method).update == BY_CHANGE for method in methods}
    # A panel is narrower than the change's name.
    update, change = f"{LOG2} (|update| / {ALPHA})", f"|change of weights,\nwith decay| / {ALPHA}"
    if by_change == {True}:
        return f"{LOG2} ({change})"
    return f"{update}\ngrey: {change}" if True in by_change else update


def update_scale_axis(axes: Axes, histogram: Histogram) -> None:
    """Set up an axis of powers of two with the underflow bin set apart."""
    first, end = int(histogram.exponents[0]), int(histogram.exponents[-1])
    apart = first - _GAP - _WIDTH / 2
    ticks = [tick for tick in range(-16, end + 1, 8) if tick >= first]
    axes.set_xticks(
        [apart, *ticks], ["\N{LESS-THAN OR EQUAL TO}1e-8", *(str(t).replace("-", "\N{MINUS SIGN}") for t in ticks)]
    )
    axes.set_xlim(apart - _WIDTH, end + 2.5)
    axes.set_ylim(bottom=0)
