"""Methods by depth without BatchNorm: a panel of estimates, with each method's cell written below it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from matplotlib.axes import Axes

from scalefree.experiments.arms import Arm, Network, arm_of
from scalefree.experiments.evidence import Evidence, Missing
from scalefree.experiments.names import chance_error, number
from scalefree.experiments.results import Point
from scalefree.figures.estimates import Estimate, draw_estimate, draw_missing, mark_cut_intervals
from scalefree.figures.scales import depth_places
from scalefree.figures.style import ALPHA, LAMBDA, NEUTRAL, Look, look
from scalefree.optimizers import ordered

CORNERS = ("adamw", "adam_scaled_l2", "adam_metric_prox", "adaml2")
# What the places on an axis stand for.
Along = TypeVar("Along")
# Depth -> method -> its runs, if the profile trains them.
ByDepth = dict[int, dict[str, Point]]


def depths(evidence: Evidence) -> list[Network]:
    """The networks of the main question, from shallow to deep: those of the architecture with the most depths."""
    usual = [network for network in evidence.networks if network.is_usual]
    families = [network.family for network in usual]
    largest = max(families, key=families.count, default="")
    return [network for network in usual if network.family == largest]


def compared(evidence: Evidence) -> list[str]:
    """The four corners, and whatever else the experiment `corners` trains under the usual protocol."""
    configs = [result.config for result in evidence.results.get("corners", ())]
    configs += [run.config for run in evidence.waiting.get("corners", ())]
    arms = {arm_of(config) for config in configs}
    return ordered([*CORNERS, *(arm.method for arm in arms if arm.is_usual)])


def points_by_depth(evidence: Evidence, methods: Sequence[str]) -> ByDepth:
    """Each method's runs at the cell chosen for it, in every network that has one."""
    found: ByDepth = {}
    for network in depths(evidence):
        for method in methods:
            try:
                found.setdefault(network.depth, {})[method] = evidence.point(network.label, Arm(method))
            except Missing:
                continue
    return found


def depth_axis(axes: Axes, places: dict[int, float]) -> None:
    """Put ticks at the depths, with the same margins at both ends."""
    axes.set_xticks(list(places.values()), [str(depth) for depth in places])
    axes.set_xlim(min(places.values()) - 0.5, max(places.values()) + 0.5)
    axes.grid(False, axis="x")


def _write_cells(axes: Axes, points: ByDepth, places: dict[int, float], methods: Sequence[str]) -> None:
    """Write each method's step size and decay below each depth, one line per method in its colour."""
    for line, method in enumerate(methods):
        height = -18 - 9.5 * line
        for depth, of in points.items():
            if method in of:
                axes.annotate(
                    f"({number(of[method].lr)}, {number(of[method].weight_decay)})", (places[depth], 0), (0, height),
                    xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", va="center",
                    fontsize=7, color=look(method).color, gid="cell",
                )  # fmt: skip
    axes.set_xlabel(f"depth (log scale), and each method's ({ALPHA}, {LAMBDA})", labelpad=9.5 * len(methods) + 5)


def _limit(axes: Axes, values: Sequence[float], chance: float | None, best: float) -> None:
    """Set limits that include all `values`, and the best possible value (0 or 100) and chance if they are near."""
    worse = [abs(value - best) for value in values]
    low, high = min(worse), max(*worse, 1.0)
    chance_there = chance is not None and abs(chance - best) < 1.25 * high
    if chance is not None and chance_there:
        low, high = min(low, abs(chance - best)), max(high, abs(chance - best))
        axes.axhline(chance, color=NEUTRAL, linewidth=0.7, linestyle=":", zorder=0.5, gid="chance")
        axes.annotate("chance", (0, chance), (1, 1), xycoords=("axes fraction", "data"), textcoords="offset points",
                      fontsize=7, color=NEUTRAL, va="bottom")  # fmt: skip
    margin = 0.08 * (high - low) or 0.5
    low, high = max(0.0, low - margin) if low > 0.3 * high else 0.0, min(100.0, high + margin)
    axes.set_ylim(*sorted((abs(best - low), abs(best - high))))


def draw_side_by_side(
    axes: Axes,
    points: Mapping[Along, Mapping[str, Point]],
    places: Mapping[Along, float],
    methods: Sequence[str],
    measured: Callable[[Point], Estimate],
    best: float = 0.0,
    looks: Callable[[str], Look] = look,
) -> None:
    """Draw seeds, means and intervals in percent, with the methods (or other series) side by side at each place.
    Nothing joins the places, since nothing was trained between them. `best` is 0 for errors, 100 for accuracies.
    """
    room = 0.8 / len(methods)
    extent: list[float] = []
    for index, method in enumerate(methods):
        for at, of in points.items():
            if method not in of:
                continue
            place, estimate = places[at] + room * (index - (len(methods) - 1) / 2), measured(of[method])
            if estimate.values:
                draw_estimate(axes, place, estimate, looks(method), 0.4 * room)
                extent += estimate.extent
            else:
                draw_missing(axes, place, looks(method))
    dataset = next(point for of in points.values() for point in of.values()).results[0].config.dataset
    chance = chance_error(dataset)
    if extent:
        _limit(axes, extent, None if chance is None else abs(best - 100 * chance), best)
    mark_cut_intervals(axes)
    axes.set_ylabel("final test error (%)" if best == 0 else "test accuracy (%)")


def draw_by_depth(
    axes: Axes, points: ByDepth, methods: Sequence[str], measured: Callable[[Point], Estimate], best: float
) -> None:
    """Like `draw_side_by_side`, against depth, with each method's cell below it."""
    places = depth_places(points)
    depth_axis(axes, places)
    _write_cells(axes, points, places, methods)
    draw_side_by_side(axes, points, places, methods, measured, best)
