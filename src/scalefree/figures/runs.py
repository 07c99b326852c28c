"""The runs of a few cells: a panel each for training loss, test accuracy and update scales."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes

from scalefree.experiments.results import Point
from scalefree.figures.curves import TEST_ACCURACY, draw_curves, line_dash, training_loss
from scalefree.figures.histograms import Histogram, draw_histogram, update_scale_axis, update_scale_label
from scalefree.figures.style import Look, look
from scalefree.records import Store


def draw_runs(
    panels: Sequence[Axes],
    store: Store,
    points: Mapping[str, Point],
    histograms: Mapping[str, Histogram],
    looks: Callable[[str], Look] = look,
) -> None:
    """Draw three panels: the curves of each point's runs and, if they have one, the last histogram."""
    loss, accuracy, scales = panels
    draw_curves(loss, store, points, training_loss(store, points), looks)
    draw_curves(accuracy, store, points, TEST_ACCURACY, looks)
    for name, histogram in histograms.items():
        dash = line_dash(points, name, looks)
        draw_histogram(scales, histogram, looks(name).color, dash, fill=len(histograms) == 1)
    # Last, because Matplotlib stops finding limits once one of them is set.
    for histogram in list(histograms.values())[:1]:
        update_scale_axis(scales, histogram)
    scales.set_xlabel(update_scale_label(point.optimizer for point in points.values()))
    scales.set_ylabel("share of coordinates")
