"""AdamW's advantage over Adam-l2 by depth, seed by seed, so that one sees where it jumps; beside it their accuracy."""

from scalefree.claims.planned import judge
from scalefree.experiments.evidence import Evidence
from scalefree.figures.by_depth import depth_axis, depths, draw_by_depth, points_by_depth
from scalefree.figures.caption import SEEDS_NOTE, caption, chosen_how, told
from scalefree.figures.estimates import accuracy_of, difference_of, draw_estimate, draw_missing
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.scales import depth_places, difference_axis
from scalefree.figures.style import BLACK, MINUS, NEUTRAL, look, method_entries, new_figure

METHODS = ("adamw", "adaml2")


def draw(evidence: Evidence, entry: Entry) -> Pages:
    """Paired differences against depth with their verdicts, and the accuracies."""
    points = {depth: of for depth, of in points_by_depth(evidence, METHODS).items() if len(of) == len(METHODS)}
    if not points:
        return {}
    networks = {network.label: network.depth for network in depths(evidence) if network.depth in points}
    verdicts = {networks[v.where]: v for v in judge(evidence, ("4b",)) if v.where in networks}
    growth = [v for v in judge(evidence, ("4c",)) if v.where in networks]
    notes = [SEEDS_NOTE, "Dashed: the claim's threshold", chosen_how(evidence)]
    notes += [f"4c, advantage in the deepest network minus advantage in the shallowest: {told(v)}" for v in growth]
    shown = [point for of in points.values() for point in of.values()]
    figure = new_figure(2.9, entry.title, caption(evidence, shown, notes), method_entries(METHODS))
    gaps, accuracies = figure.subplots(1, 2)

    places = depth_places(points)
    for depth, verdict in verdicts.items():
        estimate = difference_of(verdict)
        if estimate.values:
            draw_estimate(gaps, places[depth], estimate, BLACK)
        else:
            draw_missing(gaps, places[depth], BLACK)
        gaps.annotate(
            f"4b\n{verdict.verdict}", (places[depth], 1), (0, -2), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="top", fontsize=7, color=NEUTRAL,
        )  # fmt: skip
    shown_values = [value for verdict in verdicts.values() for value in verdict.measured.values.values()]
    intervals = [verdict.interval for verdict in verdicts.values() if verdict.interval is not None]
    threshold = next((v.question.threshold for v in verdicts.values()), 1.0)
    difference_axis(gaps, "y", [*shown_values, *(end for i in intervals for end in (i.low, i.high))], threshold)
    low, high = gaps.get_ylim()
    gaps.set_ylim(low, high + 0.16 * (high - low))
    gaps.axhline(0, color="black", linewidth=0.8)
    gaps.axhline(threshold, color=NEUTRAL, linewidth=0.9, dashes=(2, 1.5), gid="threshold")
    depth_axis(gaps, places)
    gaps.set_xlabel("depth (log scale)")
    gaps.set_ylabel(f"test error, {look('adaml2').label} {MINUS} AdamW (points)")
    gaps.set_title("a  AdamW's advantage, seed by seed")
    draw_by_depth(accuracies, points, METHODS, accuracy_of, "test accuracy (%)")
    accuracies.set_title("b  accuracy, without BatchNorm")
    return {entry.name: figure}
