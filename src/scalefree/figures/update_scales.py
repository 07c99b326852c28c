"""The paper's histograms: how update scales are distributed, by method and depth."""

from scalefree.claims.planned import judge
from scalefree.experiments.evidence import Evidence, scalars
from scalefree.experiments.names import cell_name
from scalefree.figures.by_depth import compared, points_by_depth
from scalefree.figures.caption import caption, chosen_how, sentences
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.histograms import (
    draw_histogram,
    histogram_of,
    measured_when,
    update_scale_axis,
    update_scale_label,
)
from scalefree.figures.style import look, new_figure

_ROW = 1.12
# On peaks, and on spreads and the advantage.
CLAIMS = ("5a", "5b")
_SCALARS = {"peak": "peak_share", "entropy": "entropy"}


def draw(evidence: Evidence, entry: Entry) -> Pages:
    """Draw a row per depth and a column per method, with AdamW's outline in each panel."""
    points = points_by_depth(evidence, compared(evidence))
    histograms = {
        (depth, method): histogram
        for depth, of in points.items()
        for method, point in of.items()
        if (histogram := histogram_of(evidence.store, point)) is not None
    }
    if not histograms:
        return {}
    methods = [method for method in compared(evidence) if any(method in of for of in points.values())]
    shown = [point for of in points.values() for point in of.values()]
    notes = [
        "Shares of all coordinates, mean over completed seeds; filled: the method named above; line: AdamW. Peak: "
        "share in the four fullest bins; entropy of the bins in bits; means over seeds. Set apart left: at most 1e-8",
        f"Histograms: {measured_when(list(histograms.values()))}",
        chosen_how(evidence, shown),
        *sentences(judge(evidence, CLAIMS)),
    ]
    figure = new_figure(_ROW * len(points) + 0.4, entry.title, caption(evidence, shown, notes))
    panels = figure.subplots(len(points), len(methods), squeeze=False, sharex=True, sharey="row")
    titled: set[str] = set()  # a method's first panel need not be in the first row
    for place, (row, (depth, of)) in enumerate(zip(panels, points.items(), strict=True)):
        highest = max((h.shares[:-1].max() for (d, _), h in histograms.items() if d == depth), default=1.0)
        for axes, method in zip(row, methods, strict=True):
            histogram, look_of = histograms.get((depth, method)), look(method)
            if method not in of:
                axes.set_axis_off()
                continue
            if histogram is None:
                axes.text(0.5, 0.5, "not trained yet", transform=axes.transAxes, ha="center", va="center")
            else:
                draw_histogram(axes, histogram, look_of.color, look_of.dash)
                update_scale_axis(axes, histogram)
            reference = histograms.get((depth, "adamw"))
            if reference is not None and method != "adamw":
                draw_histogram(axes, reference, look("adamw").color, look("adamw").dash, fill=False)
            told_of = {name: scalars(of[method], "update_scale", key) for name, key in _SCALARS.items()}
            lines = [cell_name(of[method]), *(f"{name} {value.mean:.2f}" for name, value in told_of.items() if value)]
            axes.text(0.16, 0.98, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=7, linespacing=1.1)
            axes.set_ylim(0, 1.45 * highest)
            if method not in titled:
                axes.set_title(look_of.label)
                titled.add(method)
            if place == len(points) - 1:
                axes.set_xlabel(update_scale_label([method]))
        row[0].set_ylabel(f"depth {depth}\nshare")
    return {entry.name: figure}
