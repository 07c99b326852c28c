"""Draw any set of results by what varies among them: one page per group, and pages that compare the groups.

A group's page shows its errors over step size and decay (a heatmap if both vary) and, below, the runs at the best
cells. If further keys vary, each of their combinations is a group.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalefree.experiments.evidence import errors
from scalefree.experiments.results import Point
from scalefree.experiments.survey import (
    DEPTH,
    LR,
    OPTIMIZER,
    PART,
    WEIGHT_DECAY,
    Survey,
    SurveyCell,
    listed,
    short,
    written,
)  # fmt: skip
from scalefree.experiments.survey_table import best_rule
from scalefree.figures.by_depth import draw_side_by_side
from scalefree.figures.caption import coverage, one_run
from scalefree.figures.curves import CURVES_NOTE, sharing
from scalefree.figures.entry import Pages
from scalefree.figures.estimates import error_of, estimates_note
from scalefree.figures.grids import draw_overview
from scalefree.figures.heatmap import ErrorGrid, draw_heatmap, error_colorbar, error_grid, error_norm
from scalefree.figures.histograms import histograms_of, measured_when
from scalefree.figures.runs import draw_runs
from scalefree.figures.scales import depth_places
from scalefree.figures.style import (
    DECAY_LABEL,
    LAMBDA,
    NEUTRAL,
    STEP_SIZE_LABEL,
    Look,
    look,
    new_figure,
    wrapped,
)  # fmt: skip
from scalefree.optimizers import DASHES, GREYS, MARKERS, row_of

# The most groups with pages and panels, and the most cells with curves: more could not be told apart.
MOST_GROUPS = 12
MOST_CURVES = 8
HEATMAP_NOTE = (
    "Heatmaps: mean final test error over seeds; black frame: the best cell; hatched: a seed diverged; crossed: no "
    "result; *: seeds missing; blank: not part of the sweep"
)
# For what has no colour of its own: Paul Tol's muted scheme, safe for the common kinds of colour blindness.
_PALETTE = ("#332288", "#CC6677", "#117733", "#882255", "#44AA99", "#AA4499", "#999933", "#88CCEE")
_TUNED_LABELS = {LR: STEP_SIZE_LABEL, WEIGHT_DECAY: DECAY_LABEL}

Looks = Callable[[str], Look]
# Cells by legend label of what is compared side by side.
Group = dict[str, list[SurveyCell]]


def _series_label(survey: Survey, value: Any) -> str:
    if survey.series is None:
        return written(OPTIMIZER, survey.cells[0].values[OPTIMIZER])
    if survey.series in (OPTIMIZER, PART):
        return written(survey.series, value)
    return f"{short(survey.series)} {written(survey.series, value)}"


def _looks(survey: Survey) -> Looks:
    """Looks by legend label: methods look as in all figures, a series of numbers goes from dark to bright."""
    if survey.series is None:
        only = look(survey.cells[0].values[OPTIMIZER])
        return lambda _: only
    values = survey.along(survey.series)
    labels = [_series_label(survey, value) for value in values]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ours = [
        survey.series == OPTIMIZER and (row := row_of(value)) is not None and row.key != "torch" for value in values
    ]
    found = {}
    for index, (label, value) in enumerate(zip(labels, values, strict=True)):
        if ours[index]:
            found[label] = look(value)
            continue
        color = _PALETTE[index % len(_PALETTE)]
        if numeric:
            color = to_hex(matplotlib.colormaps["viridis"](0.85 * index / max(1, len(values) - 1)))
        elif any(ours):  # next to ours, other optimizers are grey
            color = GREYS[index % len(GREYS)]
        marker, dash = MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)] if index else (0.0, ())
        found[label] = Look(label, color, marker, dash)
    return found.__getitem__


def _named(keys: Sequence[str], values: Sequence[Any]) -> str:
    """`depth 20, batch_norm false`."""
    said = [
        value if key == PART else f"{short(key)} {written(key, value)}" for key, value in zip(keys, values, strict=True)
    ]
    return ", ".join(map(str, said))


def _stem(keys: Sequence[str], values: Sequence[Any]) -> str:
    """The same as a file name."""
    words = [
        str(value) if key == PART else f"{short(key)}-{written(key, value)}"
        for key, value in zip(keys, values, strict=True)
    ]
    return re.sub(r"[^A-Za-z0-9_.+=-]+", "-", "_".join(word.strip("[]") for word in words)).strip("-.")[:100] or "group"


def _shown(survey: Survey, cells: Mapping[str, Sequence[SurveyCell]]) -> dict[str, Point]:
    """The cells whose runs are shown, by label: the best ones or, if nothing is tuned, all that have runs."""
    found = {}
    for label, of in cells.items():
        chosen = survey.best_of(of) if survey.tuned else of[0]
        if chosen is not None and any(map(survey.has_curves, chosen.point.records.values())):
            found[label] = chosen.point
    kept = sorted(found, key=lambda label: _mean(found[label]))[:MOST_CURVES]
    return {label: point for label, point in found.items() if label in kept}


def _mean(point: Point) -> float:
    found = errors(point).values()
    return sum(found) / len(found)


def _at(survey: Survey, point: Point) -> str:
    """` at lr 1e-3, weight_decay 0`: the tuned values."""
    values = {LR: point.lr, WEIGHT_DECAY: point.weight_decay}
    said = ", ".join(f"{short(key)} {written(key, values[key])}" for key in survey.tuned)
    return f" at {said}" if said else ""


def _legend(survey: Survey, labels: Sequence[str], shown: Mapping[str, Point], looks: Looks) -> list[Artist]:
    entries: list[Artist] = []
    style: Any
    for label in labels:
        of = looks(label)
        if label in shown:
            text = f"{of.label or label}{_at(survey, shown[label])}: {_mean(shown[label]):.1f} %"
            # Too short for the alternating dashes of lines that are one run: there the colours tell them apart.
            style = looks(label).dash if len(sharing(shown, label)) == 1 else (0.0, ())
        else:
            text, style = f"{of.label or label}", "none"
        entries.append(Line2D([], [], color=of.color, linestyle=style, marker=of.marker, markersize=4, label=text))
    return entries


def _caption(survey: Survey, points: Sequence[Point], notes: Sequence[str]) -> str:
    seeds = ", ".join(map(str, survey.seeds)) if len(survey.seeds) <= 6 else f"{len(survey.seeds)} of them"
    sentences = [
        f"Held fixed: {', '.join(survey.fixed())}; seeds: {seeds}",
        coverage(points),
        f"Missing: {lacking}" if (lacking := survey.lacking()) else "",
        *notes,
        _alike_note(survey, points),
    ]
    return ". ".join(filter(None, sentences)) + "."


def _alike_note(survey: Survey, points: Sequence[Point]) -> str:
    """A note that methods are the same algorithm without decay, since equal results would look like a mistake."""
    if not (alike := survey.one_algorithm()):
        return ""
    shared = ", and share one run where another's is missing" if one_run(points) else ""
    return f"At {LAMBDA} = 0 {listed(written(OPTIMIZER, of) for of in alike)} are the same algorithm, Adam{shared}"


def _best_note(survey: Survey) -> str:
    if not survey.tuned:
        return ""
    by = "" if survey.criterion == "validation" else ", as no images are held out for validation"
    return f"Best cells: {best_rule(survey)}{by}"


def _grid(survey: Survey, cells: Sequence[SurveyCell]) -> ErrorGrid:
    return error_grid([cell.point for cell in cells], survey.along(LR), survey.along(WEIGHT_DECAY))


def _draw_grid(axes: Axes, survey: Survey, cells: Sequence[SurveyCell], norm: Any, labels: bool) -> None:
    chosen = survey.best_of(cells)
    frame = None if chosen is None else (chosen.point.lr, chosen.point.weight_decay)
    draw_heatmap(axes, _grid(survey, cells), norm, frame, labels=labels)


def _ticks(axes: Axes, places: Mapping[Any, float], labels: Sequence[str]) -> None:
    if max((len(label) for label in labels), default=0) * len(labels) > 90:
        labels = ["\n".join(wrapped(label, 5.5 / len(labels), 8)) for label in labels]
    axes.set_xticks(list(places.values()), labels)
    axes.set_xlim(min(places.values()) - 0.5, max(places.values()) + 0.5)
    axes.grid(False, axis="x")


def _draw_errors(axes: Axes, survey: Survey, of: Group, looks: Looks) -> None:
    """Draw errors over the one tuned key, or side by side if none is tuned."""
    labels = list(of)
    if survey.tuned:
        key = survey.tuned[0]
        values = survey.along(key)
        at = {
            value: {label: cell.point for label in labels for cell in of[label] if cell.values[key] == value}
            for value in values
        }
        places = {value: float(index) for index, value in enumerate(values)}
        draw_side_by_side(axes, at, places, labels, error_of, looks=looks)
        _ticks(axes, places, [written(key, value) for value in values])
        axes.set_xlabel(_TUNED_LABELS[key])
        return
    # Each in the middle of its own place.
    room = 0.8 / len(labels)
    middle = {label: float(index) for index, label in enumerate(labels)}
    places = {label: index - room * (index - (len(labels) - 1) / 2) for label, index in middle.items()}
    draw_side_by_side(
        axes, {label: {label: of[label][0].point} for label in labels}, places, labels, error_of, looks=looks
    )
    _ticks(axes, middle, [looks(label).label or label for label in labels])


def _sheet(survey: Survey, title: str, of: Group, looks: Looks) -> Figure:
    """The page of one group: its errors with numbers, and the runs at its best cells."""
    both = len(survey.tuned) == 2
    shown = _shown(survey, of)
    points = [cell.point for cells in of.values() for cell in cells]
    histograms = histograms_of(survey.store, shown)
    rows = -(-len(of) // 2) if both else 1
    height = 0.6 + 0.24 * max(2, len(survey.along(LR))) if both else 2.1
    heights = [height] * rows + [1.75] * bool(shown)
    notes = [HEATMAP_NOTE if both else estimates_note(map(error_of, points)), _best_note(survey)]
    if shown:
        left_out = sum(any(cell.point.records for cell in cells) for cells in of.values()) - len(shown)
        more = f"; {left_out} more cannot be shown here" if left_out else ""
        notes += [f"Below: {'the best cells' if survey.tuned else 'the same runs'}{more}", CURVES_NOTE]
        notes += [f"Update scales: {measured_when(list(histograms.values()))}"]
    else:
        notes += ["No cell's runs all completed training, so there are no curves"]
    figure = new_figure(
        sum(heights), title, _caption(survey, points, notes), _legend(survey, list(of), shown, looks), 2
    )
    grid = figure.add_gridspec(len(heights), 6, height_ratios=heights)
    if both:
        norm = error_norm(_grid(survey, cells) for cells in of.values())
        drawn = []
        for index, (label, cells) in enumerate(of.items()):
            left = 3 * (index % 2)
            axes = figure.add_subplot(grid[index // 2, left : left + 3] if len(of) > 1 else grid[0, 1:5])
            drawn.append(axes)
            _draw_grid(axes, survey, cells, norm, labels=True)
            axes.set_title(looks(label).label or label)
            axes.set_xlabel(DECAY_LABEL)
            if index % 2 == 0:
                axes.set_ylabel(STEP_SIZE_LABEL)
        error_colorbar(figure, norm, drawn)
    else:
        _draw_errors(figure.add_subplot(grid[0, :]), survey, of, looks)
    if shown:
        below = [figure.add_subplot(grid[-1, 2 * i : 2 * i + 2]) for i in range(3)]
        draw_runs(below, survey.store, shown, histograms, looks)
    return figure


def _panels(survey: Survey, groups: Mapping[tuple[Any, ...], Group], title: str, looks: Looks) -> Figure:
    """All groups on one page: heatmaps, or errors over the one tuned key."""
    points = [cell.point for of in groups.values() for cells in of.values() for cell in cells]
    if len(survey.tuned) == 2:
        norm = error_norm([_grid(survey, cells) for of in groups.values() for cells in of.values()])
        grids = {group: {label: [cell.point for cell in of[label]] for label in of} for group, of in groups.items()}

        def draw(axes: Axes, group: tuple[Any, ...], label: str, _: Sequence[Point]) -> str:
            _draw_grid(axes, survey, groups[group][label], norm, labels=False)
            return ""

        text = _caption(survey, points, [HEATMAP_NOTE, _best_note(survey)])
        return draw_overview(
            grids, title, text, norm, draw,
            # As long as a row is high.
            row_name=lambda group: "\n".join(wrapped(_named(survey.across, group), 0.95, 8)),
            column_name=lambda label: looks(label).label or label,
        )  # fmt: skip
    rows = -(-len(groups) // 2)
    labels = list(dict.fromkeys(label for of in groups.values() for label in of))
    text = _caption(survey, points, [estimates_note(map(error_of, points))])
    figure = new_figure(1.9 * rows, title, text, _legend(survey, labels, {}, looks), 4)
    for index, (group, of) in enumerate(groups.items()):
        axes = figure.add_subplot(rows, 2, index + 1)
        _draw_errors(axes, survey, of, looks)
        axes.set_title("\n".join(wrapped(_named(survey.across, group), 3.0, 8)))
        if index % 2:
            axes.set_ylabel("")
    return figure


def _along_key(survey: Survey) -> str | None:
    """The key against which the groups' best cells are drawn: depth, or another numeric one."""
    numeric = [key for key in survey.across if all(type(value) in (int, float) for value in survey.along(key))]
    return DEPTH if DEPTH in numeric else numeric[0] if numeric else None


def _best_page(survey: Survey, groups: Mapping[tuple[Any, ...], Group], title: str, looks: Looks) -> Figure | None:
    """Errors at the best cells against depth or another number; if no number varies, the groups side by side."""
    key = _along_key(survey)
    rest = [index for index, of in enumerate(survey.across) if key is None or of != key]
    panels: dict[tuple[Any, ...], dict[Any, dict[str, Point]]] = {}
    for group, of in groups.items():
        if not (shown := _shown(survey, of)):
            continue
        panel = () if key is None else tuple(group[index] for index in rest)
        panels.setdefault(panel, {})[group if key is None else group[survey.across.index(key)]] = shown
    if not panels:
        return None
    labels = list(dict.fromkeys(label for of in groups.values() for label in of))
    points = [point for panel in panels.values() for of in panel.values() for point in of.values()]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    text = _caption(survey, points, [_best_note(survey), estimates_note(map(error_of, points))])
    figure = new_figure(2.2 * rows, title, text, _legend(survey, labels, {}, looks), 4)
    for index, (panel, at) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        there = list(at)
        places = depth_places(there) if key == DEPTH else {value: float(place) for place, value in enumerate(there)}
        draw_side_by_side(axes, at, places, labels, error_of, looks=looks)
        if key is None:
            _ticks(axes, places, [_named(survey.across, group) for group in there])
        else:
            _ticks(axes, places, [written(key, value) for value in there])
            axes.set_xlabel(short(key).replace("_", " ") + (" (log scale)" if key == DEPTH else ""))
            if rest:
                name = _named([survey.across[index] for index in rest], panel)
                axes.set_title("\n".join(wrapped(name, 6.0 / columns, 8)))
        if index % columns:
            axes.set_ylabel("")
    return figure


def _empty(survey: Survey, title: str) -> Figure:
    figure = new_figure(0.8, title, "")
    reason = survey.lacking() or "the sweep has no runs"
    figure.text(0.5, 0.5, f"nothing to draw: {reason}", ha="center", va="center", color=NEUTRAL)
    return figure


def pages(survey: Survey, title: str) -> Pages:
    """The pages of a survey by file name; of very many groups only the first, as the titles then say."""
    if not any(point.records for point in survey.points):
        return {"sweep": _empty(survey, title)}
    looks = _looks(survey)
    groups = {
        group: {_series_label(survey, value): cells for value, cells in of.items()}
        for group, of in survey.groups().items()
        if any(cell.point.records for cells in of.values() for cell in cells)
    }
    if len(groups) == 1:
        return {"sweep": _sheet(survey, title, next(iter(groups.values())), looks)}
    drawn = dict(list(groups.items())[:MOST_GROUPS])
    if len(drawn) < len(groups):
        title += f": the first {len(drawn)} of {len(groups)} groups"
    found: Pages = {}
    if survey.tuned:
        found["overview"] = _panels(survey, drawn, title, looks)
    if (best := _best_page(survey, drawn, f"{title}: best cells" if survey.tuned else title, looks)) is not None:
        found["best"] = best
    for group, of in drawn.items():
        found[_stem(survey.across, group)] = _sheet(survey, f"{title}: {_named(survey.across, group)}", of, looks)
    return found
