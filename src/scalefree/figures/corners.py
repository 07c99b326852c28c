"""Scale-freeness or decoupling? Four methods by depth, and the planned contrasts between them."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalefree.claims.page import ends
from scalefree.claims.planned import judge
from scalefree.claims.verdict import quantity
from scalefree.experiments.arms import Network
from scalefree.experiments.evidence import Evidence
from scalefree.experiments.names import network_name
from scalefree.figures.by_depth import compared, depths, draw_by_depth, points_by_depth
from scalefree.figures.caption import caption, chosen_how
from scalefree.figures.contrasts import Contrast
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.estimates import (
    Row,
    draw_estimate,
    draw_threshold,
    error_of,
    estimates_note,
    mark_cut_intervals,
    rows_axis,
)
from scalefree.figures.style import LIGHT, MINUS, Look, look, new_figure, typeset, wrapped

# Which of AdamW's two properties each method has, in the legend's order: one column is scale-free, the other is not;
# one row keeps the decay out of the moments, the other does not.
PROPERTIES = {
    "adamw": "scale-free, decoupled",
    "adam_scaled_l2": "scale-free, not decoupled",
    "adam_metric_prox": "not scale-free, decoupled",
    "adaml2": "not scale-free, not decoupled",
}
# The planned contrasts, in the order of their rows.
CONTRASTS = (
    Contrast(f"both at once:\nAdam-l2 {MINUS} AdamW", numbers=("4b",)),
    Contrast("scale-freeness\nlowers the error", numbers=("11a",)),
    Contrast("decoupling\nlowers the error", numbers=("11b",)),
    Contrast("the two interact", numbers=("11c",)),
    Contrast(f"metric prox {MINUS}\nscaled Adam-l2", numbers=("11d",)),
)
FORMULAS = (
    f"b, paired by seed: 11a is half the sum of metric prox {MINUS} AdamW and Adam-l2 {MINUS} scaled Adam-l2, 11b half "
    f"the sum of scaled Adam-l2 {MINUS} AdamW and Adam-l2 {MINUS} metric prox, so that they add up to 4b; 11c is "
    f"(Adam-l2 {MINUS} metric prox) {MINUS} (scaled Adam-l2 {MINUS} AdamW). Dashed: the claims' threshold, 0.5 points"
)
# The deepest network, and the one before it.
_LOOKS = (Look("", "black", "D", (0, ())), Look("", "#767676", "o", (0, ())))
# In inches: the height of a contrast and the width of the column of results; then that width over the panel's.
_ROW, _BESIDE, _BESIDE_RATIO = 0.46, 2.2, 0.72


def _result(row: Row) -> str:
    """`+27.4 [+23.7, +31.1]: supported`, or why not."""
    if row.verdict is None or row.verdict.effect is None or row.lack:
        return row.lack or ("" if row.verdict is None else f"{row.verdict.verdict}: {row.verdict.reason}")
    value = quantity(row.verdict.effect, "", signed=True)
    interval = "" if row.verdict.interval is None else f" {ends(row.verdict.interval, row.verdict)}"
    return f"{value}{interval}".replace("-", MINUS) + f": {row.verdict.verdict}"


def _draw_contrasts(axes: Axes, beside: Axes, found: Sequence[Sequence[Row | None]], shown: Sequence[Network]) -> None:
    """Draw a row per contrast and in it the networks `shown`, one below the other; `beside` holds the results."""
    rows_axis(axes, [row for rows in found for row in rows if row is not None])
    height = 1 / len(shown)
    for index, rows in enumerate(found):
        axes.plot([0, 0], [-index - 0.97, -index - 0.03], color="black", linewidth=0.7, gid="zero")
        for place, (row, network) in enumerate(zip(rows, shown, strict=True)):
            if row is None:
                continue
            top, of = -index - height * place, _LOOKS[len(shown) - 1 - place]
            if row.verdict is not None:
                draw_threshold(axes, row.verdict, top - 0.97 * height, 0.94 * height)
            draw_estimate(axes, top - 0.54 * height, row.estimate, of, 0.3 * height, horizontal=True)
            words = wrapped(typeset(f"{network.depth}: {_result(row)}"), _BESIDE)[: 4 // len(shown)]
            told = beside.text(0, top - 0.5 * height, "\n".join(words), va="center", linespacing=1.1, color=of.color)
            told.set(fontsize=7, in_layout=False)
        for panel in (axes, beside):
            panel.axhline(-index, color=LIGHT, linewidth=0.6)
    labels = [f"{contrast.numbers[0]}  {typeset(contrast.label)}" for contrast in CONTRASTS]
    axes.set_yticks([-index - 0.5 for index in range(len(labels))], labels, linespacing=1.1)
    axes.tick_params(axis="y", length=0)
    for panel in (axes, beside):
        panel.set_ylim(-len(CONTRASTS), 0.02)
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")
    axes.set_xlabel("difference of test errors (points)")
    mark_cut_intervals(axes)
    beside.set_axis_off()
    beside.set_title("depth: mean [95 % interval]: verdict", loc="left", fontsize=7)


def _legend(methods: Sequence[str]) -> list[Line2D]:
    return [
        Line2D(
            [], [], color=look(method).color, marker=look(method).marker, linestyle="none",
            label=": ".join(filter(None, (look(method).label, PROPERTIES.get(method)))),
        )
        for method in methods
    ]  # fmt: skip


def draw(evidence: Evidence, entry: Entry) -> Pages:
    """Draw the errors against depth and, below, the contrasts of the two deepest networks."""
    points = points_by_depth(evidence, compared(evidence))
    shown = [point for of in points.values() for point in of.values()]
    if not any(point.records for point in shown):
        return {}
    methods = [method for method in compared(evidence) if any(method in of for of in points.values())]
    verdicts = judge(evidence, [number for contrast in CONTRASTS for number in contrast.numbers])
    deepest = depths(evidence)[1:][-2:]
    measured = {of: [contrast.measured_in(evidence, of, verdicts) for contrast in CONTRASTS] for of in deepest}
    # A network without any estimate would fill its rows with the same reason; the caption counts the runs that wait.
    networks = [of for of, rows in measured.items() if any(one and one[0].estimate.values for one in rows)] or deepest
    by_network = [[None if one is None else one[0] for one in measured[of]] for of in networks]
    rows = [list(row) for row in zip(*by_network, strict=True)]
    known = [row for of in rows for row in of if row is not None]
    marks = estimates_note([*map(error_of, shown), *(row.estimate for row in known)])
    names = [network_name(network) for network in networks]
    colors = f". Grey: {names[0]}, black: {names[1]}" if len(names) == 2 else f". Network: {names[0]}" if names else ""
    text = caption(evidence, shown, [marks, FORMULAS + colors if known else "", chosen_how(evidence, shown)])
    heights = [2.5, _ROW * len(CONTRASTS) + 0.5][: 1 + bool(known)]
    figure = new_figure(sum(heights), entry.title, text, _legend(methods), 2)
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights, width_ratios=(1, _BESIDE_RATIO))
    errors = figure.add_subplot(grid[0, :])
    draw_by_depth(errors, points, methods, error_of, 0.0)
    errors.set_title("a  four ways to decay the weights, without BatchNorm")
    if known:
        contrasts = figure.add_subplot(grid[1, 0])
        _draw_contrasts(contrasts, figure.add_subplot(grid[1, 1]), rows, networks)
        contrasts.set_title("b  what makes the difference")
    return {entry.name: figure}
