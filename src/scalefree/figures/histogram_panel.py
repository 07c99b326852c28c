"""Update scales |update| / alpha at the last epoch, in powers of two, as shares of all coordinates."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from scalefree.experiments import Point
from scalefree.figures.evidence import Evidence, Histogram
from scalefree.figures.published import PUBLISHED, UNDERFLOW_SHARES
from scalefree.figures.style import ALPHA, NEUTRAL
from scalefree.optimizers import BY_CHANGE, look

# The underflow bin stands this many powers of two left of the first interior bin, and is twice as wide as a bin.
_GAP, _WIDTH = 3.0, 2.0


def outlines(histogram: Histogram) -> list[tuple[np.ndarray, np.ndarray]]:
    """(edges, shares) of the pieces to draw: the underflow bin, the interior bins with the overflow bin after them.

    Coordinates whose update is not finite have no place on the axis and are in neither.
    """
    first, last = int(histogram.exponents[0]), int(histogram.exponents[-1])
    underflow = np.array([first - _GAP - _WIDTH, first - _GAP])
    interior = np.arange(first, last + 3)
    return [(underflow, histogram.shares[:1]), (interior, histogram.shares[1:-1])]


def draw_histograms(axes: Axes, evidence: Evidence, points: Mapping[str, Point]) -> None:
    """One step-filled outline an optimizer, the mean over its seeds."""
    last = None
    for optimizer, point in points.items():
        histogram = evidence.histogram(point)
        if histogram is None:
            continue
        last = histogram
        of = look(optimizer)
        color = of.color
        for edges, shares in outlines(histogram):
            axes.stairs(shares, edges, fill=True, color=color, alpha=0.22)
            axes.stairs(shares, edges, color=color, linestyle=of.dash, linewidth=1.1, label=of.label)
        if histogram.shares[-1] > 0:
            axes.text(
                0.98, 0.95, f"{100 * histogram.shares[-1]:.2g}% not finite", transform=axes.transAxes, ha="right",
                va="top", fontsize=7, color=color,
            )  # fmt: skip
    label = f"log\N{SUBSCRIPT TWO} (|update| / {ALPHA})"
    if any(look(optimizer).update == BY_CHANGE for optimizer in points):
        label += "\ngrey: change of x,\ndecay included"
    axes.set_xlabel(label)
    axes.set_ylabel("share of coordinates")
    axes.set_ylim(bottom=0)
    if last is None:
        return
    first, end = int(last.exponents[0]), int(last.exponents[-1])
    apart = first - _GAP - _WIDTH / 2
    ticks = [tick for tick in range(-16, end + 1, 8) if tick >= first]
    axes.set_xticks([apart, *ticks], ["\N{LESS-THAN OR EQUAL TO}1e-8", *map(str, ticks)])
    axes.set_xlim(apart - _WIDTH, end + 2.5)
    axes.text(
        first - _GAP / 2, 0, "//", transform=axes.get_xaxis_transform(), ha="center", va="center", fontsize=7,
        color=NEUTRAL,
    )  # fmt: skip


def mark_published_shares(axes: Axes, lowest_exponent: int = -27) -> None:
    """The paper's shares as open diamonds at the middle of their bins, the underflow ones in grey."""
    known = [
        (exponent + 0.5, share, look(o).color) for o, p in PUBLISHED.items() for exponent, share in p.shares.items()
    ]
    underflow = lowest_exponent - _GAP - _WIDTH / 2
    for x, share, color in known + [(underflow, share, NEUTRAL) for share in UNDERFLOW_SHARES]:
        axes.plot(
            x, share, "D", markersize=4, markerfacecolor="white", markeredgecolor=color, zorder=4, gid="published"
        )
