"""AdamW's advantage over Adam-l2 by depth, seed by seed, to show where it jumps, and the accuracy of both."""

from scalefree.claims.page import ends
from scalefree.claims.planned import judge
from scalefree.claims.verdict import quantity
from scalefree.experiments.evidence import Evidence
from scalefree.figures.by_depth import depth_axis, depths, draw_by_depth, points_by_depth
from scalefree.figures.caption import caption, chosen_how, sentences
from scalefree.figures.contrasts import Contrast
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.estimates import (
    Row,
    accuracy_of,
    draw_estimate,
    draw_missing,
    estimates_note,
    mark_cut_intervals,
)
from scalefree.figures.scales import depth_places, difference_axis
from scalefree.figures.style import BLACK, MINUS, NEUTRAL, look, method_entries, new_figure

METHODS = ("adamw", "adaml2")


def _result(row: Row) -> str:
    """The difference, its interval and the verdict, one line each."""
    if row.verdict is None or row.verdict.effect is None or row.lack:
        return "" if row.verdict is None else row.verdict.verdict
    interval = "no interval" if row.verdict.interval is None else ends(row.verdict.interval, row.verdict)
    value = quantity(row.verdict.effect, "", signed=True)
    return f"{value}\n{interval}".replace("-", MINUS) + f"\n{row.verdict.verdict}"


def draw(evidence: Evidence, entry: Entry) -> Pages:
    """Paired differences against depth with their verdicts, and the accuracies."""
    points = {depth: of for depth, of in points_by_depth(evidence, METHODS).items() if len(of) == len(METHODS)}
    shown = [point for of in points.values() for point in of.values()]
    if not any(point.records for point in shown):
        return {}
    networks = [network for network in depths(evidence) if network.depth in points]
    verdicts = judge(evidence, ("4b", "4c"))
    measured = {n.depth: Contrast(numbers=("4b",)).measured_in(evidence, n, verdicts) for n in networks}
    rows = {depth: found[0] for depth, found in measured.items() if found is not None}
    growth = [verdict for verdict in verdicts if verdict.question.number == "4c"]
    marks = estimates_note([*map(accuracy_of, shown), *(row.estimate for row in rows.values())])
    notes = [marks, "Dashed: the claim's threshold", chosen_how(evidence, shown), *sentences(growth)]
    figure = new_figure(2.9, entry.title, caption(evidence, shown, notes), method_entries(METHODS))
    gaps, accuracies = figure.subplots(1, 2)

    places = depth_places(points)
    for depth, row in rows.items():
        if row.estimate.values:
            draw_estimate(gaps, places[depth], row.estimate, BLACK)
        else:
            draw_missing(gaps, places[depth], BLACK)
        gaps.annotate(
            _result(row), (places[depth], 0), (0, -13), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", va="top", fontsize=7, color=NEUTRAL, linespacing=1.1, gid="result",
        )  # fmt: skip
    threshold = max((row.verdict.question.threshold for row in rows.values() if row.verdict is not None), default=1.0)
    difference_axis(gaps, "y", [value for row in rows.values() for value in row.estimate.extent], threshold)
    gaps.axhline(0, color="black", linewidth=0.8)
    gaps.axhline(threshold, color=NEUTRAL, linewidth=0.9, dashes=(2, 1.5), gid="threshold")
    mark_cut_intervals(gaps)
    depth_axis(gaps, places)
    gaps.set_xlabel("depth (log scale), and mean [95 % interval]", labelpad=31)
    gaps.set_ylabel(f"test error, {look('adaml2').label} {MINUS} AdamW (points)")
    gaps.set_title("a  AdamW's advantage, seed by seed (claim 4b)")
    draw_by_depth(accuracies, points, METHODS, accuracy_of, 100.0)
    accuracies.set_title("b  accuracy, without BatchNorm")
    return {entry.name: figure}
