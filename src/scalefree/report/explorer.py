"""Curves and histograms of all results, for readers to choose from; `explorer.js` draws what `packing` packed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.bins import counts_of, edges_of
from scalefree.experiments.evidence import Evidence, readable_arrays
from scalefree.figures.style import ALPHA, ETA, LAMBDA
from scalefree.report.facets import Facet, facets
from scalefree.report.markup import Html, element, join
from scalefree.report.packing import (
    HISTOGRAM_STEPS,
    LOSS_STEPS,
    LOWEST,
    SHARE_STEPS,
    Codes,
    linear_codes,
    log_codes,
    pack,
)
from scalefree.report.runs import Run

# The most points of one curve, more than a screen can resolve; longer curves are thinned out evenly.
MOST_POINTS = 100
# In the order in which they are offered.
CURVES = {
    "test_error": "Test error",
    "validation_error": "Validation error",
    "train_error": "Training error",
    "augmented_train_loss": "Training loss, augmented images",
    "train_loss": "Training loss, plain images",
    "batch_loss": "Training loss, mean over batches",
    "validation_loss": "Validation loss",
    "test_loss": "Test loss",
}
# A quantity's label and the label of its logarithmic axis.
HISTOGRAMS = {
    "update_scale": ("Update scales", f"|update| / {ALPHA}"),
    "gradient": ("Gradients", "|gradient|"),
    "parameter": ("Parameters", "|parameter|"),
    "effective_decay": ("Effective decays", f"effective decay / ({LAMBDA}{ETA})"),
}
# The value of the facet of experiments for runs that no experiment of this profile needs.
OTHERS = "none of this profile"


class _Table:
    """Distinct values, each stored once and referred to by its index."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, value: tuple[Any, ...]) -> int:
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]


def _curves(arrays: Mapping[str, npt.NDArray[Any]], grids: _Table) -> tuple[list[int], list[Codes]]:
    """`[curve, grid, ...]` and the codes of each at its grid's epochs, which are those with a finite value."""
    places: list[int] = []
    codes: list[Codes] = []
    for place, name in enumerate(CURVES):
        values = np.asarray(arrays.get(name, ()), dtype=np.float64)
        known = np.flatnonzero(np.isfinite(values))
        if len(known) > MOST_POINTS:
            known = known[np.rint(np.linspace(0, len(known) - 1, MOST_POINTS)).astype(int)]
        if len(known):
            places += [place, grids.place(tuple((known + 1).tolist()))]
            own = values[known]
            codes.append(linear_codes(own) if name.endswith("_error") else log_codes(own, LOSS_STEPS))
    return places, codes


def _shares(counts: npt.NDArray[Any]) -> Codes:
    """Shares of all coordinates, row by row, as codes."""
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return log_codes(counts / total, HISTOGRAM_STEPS)


def _histograms(
    arrays: Mapping[str, npt.NDArray[Any]], layouts: _Table, when: _Table, groups: _Table
) -> tuple[list[int], list[Codes]]:
    """`[quantity, layout, when, groups, ...]` and codes: the network's rows of every measurement, then the last row
    of each layer group.
    """
    places: list[int] = []
    codes: list[Codes] = []
    for place, quantity in enumerate(HISTOGRAMS):
        counts = counts_of(arrays, quantity)
        network = counts.get("network", np.zeros((0, 0)))
        if not len(network):
            continue
        edges = edges_of(arrays, quantity)
        own = {group: rows for group, rows in counts.items() if group != "network" and len(rows)}
        places += [
            place,
            layouts.place((int(edges[0]), network.shape[1])),
            when.place(tuple(arrays["epoch"].tolist())),
            groups.place(tuple(own)),
        ]
        codes += [_shares(network), *(_shares(rows[-1]) for rows in own.values())]
    return places, codes


def _offered(facet: Facet) -> dict[str, Any]:
    made: dict[str, Any] = {"key": facet.key, "label": facet.label, "values": facet.values, "ordered": facet.ordered}
    if facet.styles:
        made["colors"] = [style.color for style in facet.styles]
        # In pixels, for lines that are 1.6 wide.
        made["dashes"] = [" ".join(f"{1.6 * length:g}" for length in style.dash[1]) for style in facet.styles]
    return made


def packed(runs: Sequence[Run], evidence: Evidence) -> str:
    """Everything that `explorer.js` draws for runs with results, in base64."""
    varying, same = facets([run.config for run in runs])
    names = list(dict.fromkeys(name for run in runs for name in run.experiments or (OTHERS,)))
    names.sort(key=lambda name: name == OTHERS)
    grids, layouts, when, groups = _Table(), _Table(), _Table(), _Table()
    listed, codes = [], []
    for index, run in enumerate(runs):
        assert run.record is not None
        curves, of_curves = _curves(readable_arrays(evidence.store, run.record, "curves"), grids)
        histograms, of_histograms = _histograms(
            readable_arrays(evidence.store, run.record, "histograms"), layouts, when, groups
        )
        codes += [*of_curves, *of_histograms]
        diverged = run.record.outcome.step if run.state == "diverged" else None
        validation = run.record.validation_error
        chosen_by = run.record.test_error if validation is None else validation
        listed.append(
            [
                [facet.at[index] for facet in varying],
                [names.index(name) for name in run.experiments or (OTHERS,)],
                diverged,
                round(chosen_by, 5),
                validation is not None,
                curves,
                histograms,
            ]
        )
    header = {
        "facets": [_offered(facet) for facet in varying],
        "same": same,
        "experiments": names,
        "curves": [[name, label] for name, label in CURVES.items()],
        "histograms": [[name, label, axis] for name, (label, axis) in HISTOGRAMS.items()],
        "grids": grids.values,
        "layouts": layouts.values,
        "when": when.values,
        "groups": groups.values,
        "lowest": LOWEST,
        "steps": {"error": SHARE_STEPS, "loss": LOSS_STEPS, "share": HISTOGRAM_STEPS},
        "runs": listed,
    }
    return pack(header, codes)


def _select(name: str, label: str) -> Html:
    """A select element whose options are filled in by the script."""
    return element("label", element("span", label), element("select", name=name))


def explorer_section(runs: Sequence[Run], evidence: Evidence) -> Html:
    """The chart's frame, hidden until the script has filled it, and the packed results."""
    results = [run for run in runs if run.record is not None and run.record.outcome.is_result]
    if not results:
        return element("p", "Nothing to show yet: no run has ended.", class_="note")
    controls = [
        element("label", element("span", "Show"), element("select", name="quantity"), class_="wide"),
        _select("group", "Layers"),
        _select("when", "Measured in epoch"),
        _select("x", "Epochs"),
        _select("y", "Heights"),
        _select("seeds", "Seeds"),
        _select("cells", "Step sizes and decays"),
        _select("color", "Colours show"),
    ]
    chart = element(
        "div",
        element("svg", aria_hidden="true", id="explorer-chart"),
        element("div", id="explorer-tip", class_="tip", hidden=True, aria_hidden="true"),
        class_="paper chart",
        tabindex=0,
        role="application",
        aria_label="Chart: left and right move along it, up and down to other lines; the table below has the numbers",
    )
    parts = [
        element("form", *controls, id="explorer-form"),
        element("div", id="explorer-facets", class_="facets", role="group", aria_label="Choose runs"),
        element("p", element("output", id="explorer-shown"), class_="shown", aria_live="polite"),
        chart,
        element("p", id="explorer-reading", class_="note", aria_live="polite"),
        element(
            "div",
            element("table", element("thead"), element("tbody"), id="explorer-lines"),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label="The lines of the chart",
        ),
        element("p", id="explorer-same", class_="note"),
    ]
    note = (
        "Every result in the store, whatever its profile. In each row of buttons, choosing none means all. A line is "
        "the mean over the completed seeds and its shading their range (if there are many lines, only for the one you "
        "point at); a line of diverged runs ends in a cross."
    )
    return join(
        [
            element("p", note, class_="note"),
            element(
                "p",
                "This chart needs JavaScript, which did not run; everything else works without it.",
                id="explorer-needs",
            ),
            element("div", *parts, id="explorer", hidden=True),
            element("script", Html(packed(results, evidence)), type="application/octet-stream", id="explorer-data"),
        ]
    )
