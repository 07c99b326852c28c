"""How fast coordinates really decay: the spread by method, with the errors, and where the penalty drowns the loss."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from scalefree.claims.decay_order import RANKED
from scalefree.claims.planned import judge
from scalefree.experiments.arms import Arm, Network
from scalefree.experiments.evidence import Evidence, Missing, errors, readable_arrays, scalars
from scalefree.experiments.names import cell_name, network_name
from scalefree.experiments.results import Point
from scalefree.figures.by_depth import depths
from scalefree.figures.caption import caption, chosen_how, sentences
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.histograms import EFFECTIVE_DECAY_LABEL, histogram_of, measured_when
from scalefree.figures.style import ALPHA, LAMBDA, NEUTRAL, look, method_entries, new_figure
from scalefree.optimizers import ordered

Points = Mapping[str, Point]


def _points(evidence: Evidence, network: Network) -> dict[str, Point]:
    """The methods ranked by claim 14 whose runs have an effective decay."""
    found = {}
    for method in ordered(RANKED):
        try:
            point = evidence.point(network.label, Arm(method))
        except Missing:
            continue
        if any(record.effective_decay for record in point.records.values()):
            found[method] = point
    return found


def _draw_histograms(axes: Axes, evidence: Evidence, points: Points) -> None:
    """Draw histograms below each other, each scaled to its highest bin, over the range of 99.9 % of coordinates."""
    low, high = -4.0, 4.0
    for index, (method, point) in enumerate(points.items()):
        histogram = histogram_of(evidence.store, point, "effective_decay")
        if histogram is None:
            continue
        shares = histogram.shares[1:-2]
        edges = np.append(histogram.exponents, histogram.exponents[-1] + 1).astype(float)
        axes.stairs(0.66 * shares / shares.max() - index - 1, edges, baseline=-index - 1, fill=True,
                    color=look(method).color, alpha=0.75, gid="outline")  # fmt: skip
        inside = np.flatnonzero((shares.cumsum() > 5e-4) & (shares[::-1].cumsum()[::-1] > 5e-4))
        low, high = min(low, edges[inside[0]]), max(high, edges[inside[-1] + 1])
        axes.text(
            0.0, -index - 0.03, f"{look(method).label} {cell_name(point)}", va="top", fontsize=7,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        axes.axhline(-index - 1, color=NEUTRAL, linewidth=0.4)
    axes.axvline(0, color="black", linewidth=0.7, zorder=0.5)
    axes.set_xlim(low - 1, high + 1)
    axes.set_ylim(-len(points), 0.1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(EFFECTIVE_DECAY_LABEL)


def _draw_spread(axes: Axes, points: Points) -> None:
    for method, point in points.items():
        spread, error = scalars(point, "effective_decay", "iqr"), errors(point)
        seeds = sorted(spread.keys() & error.keys())
        of = look(method)
        axes.plot(
            [spread[seed] for seed in seeds], [error[seed] for seed in seeds], of.marker, color=of.color,
            markersize=4, markerfacecolor="none", markeredgewidth=0.9, gid="seeds", clip_on=False,
        )  # fmt: skip
    axes.margins(x=0.08, y=0.08)
    axes.set_xlabel("interquartile range (powers of two)")
    axes.set_ylabel("final test error (%)")


def _drown_out(evidence: Evidence, point: Point) -> dict[str, np.ndarray]:
    """By layer group, (E,) means over the completed runs with the same measured epochs, which are under `epoch`."""
    completed = [record for record in point.records.values() if record.outcome.status == "completed"]
    arrays = [readable_arrays(evidence.store, record, "histograms") for record in completed]
    arrays = [
        of for of in arrays if "drown_out_share/network" in of and np.array_equal(of["epoch"], arrays[0]["epoch"])
    ]
    if not arrays:
        return {}
    names = [name for name in arrays[0] if name.startswith("drown_out_share/")]
    shares = {name.partition("/")[2]: np.mean([of[name] for of in arrays], axis=0) for name in names}
    return {"epoch": arrays[0]["epoch"], **shares}


def _draw_drown_out(over_epochs: Axes, by_group: Axes, evidence: Evidence, points: Points) -> None:
    groups: list[str] = []
    for method, point in points.items():
        shares, of = _drown_out(evidence, point), look(method)
        if not shares:
            continue
        over_epochs.plot(
            shares["epoch"], 100 * shares["network"], color=of.color, linestyle=of.dash, marker=of.marker, markersize=3,
        )  # fmt: skip
        groups = [name for name in shares if name not in ("epoch", "network")]
        last = [100 * shares[name][-1] for name in groups]
        room = 0.7 / len(points)
        places = np.arange(len(groups)) + room * (list(points).index(method) - (len(points) - 1) / 2)
        by_group.plot(places, last, of.marker, color=of.color, markersize=3.6)
    by_group.set_xticks(range(len(groups)), groups, rotation=35, ha="right", rotation_mode="anchor")
    for axes in (over_epochs, by_group):
        axes.set_ylim(-2, 102)
        axes.set_ylabel("drown-out share (%)")
    over_epochs.set_xlabel("epoch")
    by_group.set_xlabel("layer group, last measurement")


def draw(evidence: Evidence, entry: Entry) -> Pages:
    """Draw four panels for the deepest trained network."""
    found_in = ((network, _points(evidence, network)) for network in reversed(depths(evidence)))
    network, points = next(((network, points) for network, points in found_in if points), (None, {}))
    if network is None:
        return {}
    found = [histogram_of(evidence.store, point, "effective_decay") for point in points.values()]
    notes = [
        f"Effective decay: a coordinate's decay per step over {LAMBDA} times the schedule, to first order; 1 for "
        f"AdamW. Drown-out share: coordinates whose {LAMBDA}|x| is above the root mean square of the loss gradient. b: "
        "one marker per seed; c, d: means over seeds",
        f"Histograms: {measured_when([one for one in found if one is not None])}",
        chosen_how(evidence, list(points.values())).replace("(in parentheses)", f"({ALPHA}, {LAMBDA} in parentheses)"),
        *sentences(judge(evidence, ("14",))),
    ]
    height = max(3.6, 0.5 * len(points) + 0.6)
    title = f"{entry.title}, {network_name(network)}"
    entries = method_entries(points)
    figure = new_figure(height, title, caption(evidence, list(points.values()), notes), entries, 4)
    panels = figure.subplot_mosaic([["a", "b", "b"], ["a", "c", "d"]], width_ratios=(1.35, 1, 1))
    _draw_histograms(panels["a"], evidence, points)
    _draw_spread(panels["b"], points)
    _draw_drown_out(panels["c"], panels["d"], evidence, points)
    titles = ("effective decay", "its spread against the error", "drown-out, network", "drown-out, layers")
    for letter, text in zip("abcd", titles, strict=True):
        panels[letter].set_title(f"{letter}  {text}")
    return {entry.name: figure}
