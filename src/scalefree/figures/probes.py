"""What one change does to the error: a probe is a reference arm, its neighbours, and their paired differences.

A figure is a row of `PROBES`. A contrast is measured as in the claim of its number, in every network of the figure's
experiments; if the claim is tested there, its verdict is shown.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalefree.claims.at import At
from scalefree.claims.planned import judge
from scalefree.experiments.arms import Network, arm_of
from scalefree.experiments.evidence import Evidence, cell_owner
from scalefree.experiments.frozen import NO_DECAY
from scalefree.experiments.names import cell_name, network_name, number
from scalefree.experiments.pairs import SeedValues
from scalefree.experiments.results import Point
from scalefree.figures.by_depth import CORNERS
from scalefree.figures.caption import caption, chosen_how, sentences
from scalefree.figures.contrasts import Contrast
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.estimates import (
    Row,
    draw_estimate,
    draw_rows,
    error_of,
    estimates_note,
    mark_cut_intervals,
    rows_axis,
    rows_note,
)
from scalefree.figures.style import MINUS, NEUTRAL, Look, look, new_figure
from scalefree.optimizers import ordered

# Heights in inches of a comparison and of an arm.
_ROW, _ARM = 0.66, 0.42
# All methods at lambda = 0.
_WITHOUT_DECAY, _ADAM = cell_owner(NO_DECAY), Look("Adam", NEUTRAL, "v", (0, ()))
# Claims about other quantities of the same runs, reported in the caption.
ALSO_SAID = {"loss_scale": ("6a",)}


def _at_eps(method: str, eps: float, at: At) -> SeedValues:
    return at(method, eps=eps) - at(method)


def _annealed(method: str, cell: str, at: At) -> SeedValues:
    """The difference from AdamW, both with the cosine schedule."""
    return at(method, cell, schedule="cosine") - at("adamw", cell, schedule="cosine")


PROBES: dict[str, tuple[Contrast, ...]] = {
    "prox_equivalence": (
        Contrast(f"AdamProx {MINUS} AdamW, both at AdamW's cell", "adamprox", ("1",)),
        Contrast(
            f"AdamW's replica {MINUS} AdamW: only rounding differs", "adamw",
            measure=lambda at: at("adamw", replica=1) - at("adamw"),
        ),
        Contrast(
            f"AdamProx {MINUS} AdamW, cosine schedule", "adamprox",
            measure=partial(_annealed, "adamprox", "adamw"),
        ),
    ),
    "batch_norm": (
        Contrast(f"Adam-l2 {MINUS} AdamW at equal decay", "adaml2", ("4a",)),
        Contrast(
            f"Adam-l2 {MINUS} AdamW, cosine schedule", "adaml2",
            measure=partial(_annealed, "adaml2", "adamw_decayed"),
        ),
    ),
    "loss_scale": (
        Contrast(f"AdamW: loss x100 {MINUS} x1", "adamw", ("6b-adamw",)),
        Contrast(f"Adam-l2: loss x100 and decay x100 {MINUS} x1", "adaml2", ("6b-adaml2",)),
        Contrast(
            f"Adam-l2: loss x100 {MINUS} x1, same decay", "adaml2",
            measure=lambda at: at("adaml2", loss_multiplier=100.0) - at("adaml2"),
        ),
    ),
    "layer_loss": (
        Contrast(f"AdamW: multiplied {MINUS} not", "adamw", ("6c-adamw",)),
        Contrast(f"scaled Adam-l2: multiplied {MINUS} not", "adam_scaled_l2", ("6c-scaled",)),
        Contrast(f"Adam-l2: multiplied {MINUS} not", "adaml2", ("6d",)),
    ),
    "epsilon": tuple(
        Contrast(
            f"{name}: eps {number(eps)} {MINUS} 1e-8", method,
            ("7",) if (method, eps) == ("adamw", 1e-3) else (), partial(_at_eps, method, eps),
        )
        for method, name in (("adamw", "AdamW"), ("adaml2", "Adam-l2"))
        for eps in (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    ),
    "initialization": (Contrast(f"Adam-l2 {MINUS} AdamW", "adaml2", ("4b", "8")),),
    "no_decay": tuple(
        Contrast(f"no decay {MINUS} {look(method).label}", method, (f"17-{method}",))
        for method in CORNERS
    ),
    "ladder": (
        Contrast(f"by layer {MINUS} by coordinate", "adam_scaled_l2_by_layer", ("12a",)),
        Contrast(f"by network {MINUS} by coordinate", "adam_scaled_l2_by_network", ("12b",)),
        Contrast(f"Adam-l2 {MINUS} by layer", "adaml2", ("12c",)),
        Contrast(
            f"Adam-l2 {MINUS} by coordinate", "adaml2",
            measure=lambda at: at("adaml2") - at("adam_scaled_l2"),
        ),
    ),
    "balance": tuple(
        Contrast(f"decays over 10^{MINUS}{w} to 10^{w} {MINUS} equal decays", "adamw", (f"13-{w}",)) for w in (1, 2)
    ),
}  # fmt: skip


def _arms(named: Iterable[tuple[str, Point]]) -> dict[tuple[str, str], Point]:
    """The runs compared, by what they are and by cell: Adam without a decay, then each method with its usual arm
    first.
    """
    found = {(name, cell_name(point)): point for name, point in named}
    order = ordered(arm_of(point.results[0].config).method for point in found.values())

    def place(item: tuple[tuple[str, str], Point]) -> tuple[bool, int, bool, str]:
        (name, _), point = item
        arm = arm_of(point.results[0].config)
        return name != _WITHOUT_DECAY, order.index(arm.method), not arm.is_usual, name

    return dict(sorted(found.items(), key=place))


def _draw_arms(axes: Axes, arms: dict[tuple[str, str], Point]) -> None:
    """Draw a row per arm: seeds, mean and interval of its errors, with its cell."""
    labels = []
    for index, ((name, cell), point) in enumerate(arms.items()):
        of = look(arm_of(point.results[0].config).method)
        unusual = name.partition(", ")[2]
        if name == _WITHOUT_DECAY:
            of, unusual = _ADAM, "no decay"
        labels.append("\n".join(filter(None, [of.label, unusual, cell])))
        draw_estimate(axes, -index, error_of(point), of, 0.3, horizontal=True)
    axes.set_yticks([-index for index in range(len(labels))], labels)
    axes.set_ylim(-len(labels) + 0.4, 0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def _error_axis(axes: Axes, values: Sequence[float]) -> None:
    """Set limits that include all values and stay within the possible range."""
    if values:
        low, high = min(values), max(values)
        margin = 0.06 * (high - low) or 1.0
        axes.set_xlim(max(low - margin, 0.0), min(high + margin, 100.0))


def draw(evidence: Evidence, entry: Entry) -> Pages:
    """Draw a row of panels per network: the arms' errors and their paired differences."""
    contrasts = PROBES[entry.name]
    verdicts = judge(evidence, [number for contrast in contrasts for number in contrast.numbers])
    found: list[tuple[Network, list[Row], dict[tuple[str, str], Point]]] = []
    for network in evidence.networks_of(entry.needs):
        measured = [contrast.measured_in(evidence, network, verdicts) for contrast in contrasts]
        rows = [one[0] for one in measured if one is not None]
        arms = _arms(named for one in measured if one is not None for named in one[1].items())
        if arms:
            found.append((network, rows, arms))
    shown = [point for _, _, arms in found for point in arms.values()]
    if not any(point.records for point in shown):
        return {}
    also = sentences(judge(evidence, ALSO_SAID.get(entry.name, ())))
    heights = [max(_ROW * len(rows), _ARM * len(arms)) + 0.3 for _, rows, arms in found]
    every = [row for _, rows, _ in found for row in rows]
    # The caption, which is needed to make the page, describes the axis.
    logarithmic = rows_axis(Figure().subplots(), every)
    marks = estimates_note([*map(error_of, shown), *(row.estimate for row in every)])
    notes = [marks, rows_note(every, logarithmic), chosen_how(evidence, shown, any(v.planned for v in verdicts)), *also]
    figure = new_figure(sum(heights) + 0.3, entry.title, caption(evidence, shown, notes))
    panels = figure.subplots(len(found), 2, squeeze=False, sharex="col", height_ratios=heights, width_ratios=(1, 1.25))
    rows_axis(panels[0, 1], every)
    for (left, right), (network, rows, arms) in zip(panels, found, strict=True):
        _draw_arms(left, arms)
        draw_rows(right, rows)
        left.set_title(f"{network_name(network)}: errors")
        right.set_title("paired differences")
    _error_axis(panels[0, 0], [value for point in shown for value in error_of(point).extent])
    for panel in panels[:, 0]:
        mark_cut_intervals(panel)
    panels[-1, 0].set_xlabel("final test error (%)")
    panels[-1, 1].set_xlabel("difference of test errors (points)")
    return {entry.name: figure}
