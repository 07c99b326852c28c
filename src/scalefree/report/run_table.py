"""The table of runs, with controls that the page's script activates."""

from collections.abc import Iterable, Sequence
from typing import Any

from scalefree.experiments.names import count, number
from scalefree.optimizers import ADAM, OPTIMIZERS, TRAINS_ADAM, look, method, ordered
from scalefree.records.record import last_line
from scalefree.report.markup import Html, element, join, number_cell, row, table
from scalefree.report.runs import Run

# Keyed by the name used for sorting in the page's fragment: `#sort=error`, `#sort=-error`.
COLUMNS = {
    "run": "Run and record",
    "status": "Status",
    "error": "Test error",
    "validation": "Validation error",
    "optimizer": "Optimizer",
    "lr": "Step size",
    "decay": "Decay",
    "depth": "Depth",
    "bn": "BN",
    "seed": "Seed",
    "experiment": "Experiments",
}
BATCH_NORM = {True: "yes", False: "no"}


def _status(run: Run) -> Html:
    """The state and, for a run that ended early, where and why."""
    detail = ""
    if run.record is not None and run.state == "diverged":
        detail = f"step {run.record.outcome.step}"
    elif run.record is not None and run.state == "failed":
        # The reason is a traceback, whose last line says what happened.
        detail = last_line(run.record.outcome.reason)
    return element("td", element("span", run.state, class_=f"state {run.state}"), f" {detail}" if detail else "")


def _error(value: float | None) -> Html:
    """An error in percent; 2 stands for a diverged run."""
    if value is None:
        return number_cell("", None)
    return number_cell("diverged" if value > 1 else f"{100 * value:.2f} %", value)


def _row(run: Run) -> Html:
    config, record = run.config, run.record
    optimizer, model = config["optimizer"], config["model"]
    name: str = run.name
    if record is not None:
        name = element("a", run.name, href=f"../{run.place}")
    is_result = record is not None and record.outcome.is_result
    return row(
        element("td", name, class_="name"),
        _status(run),
        _error(record.test_error if record is not None and is_result else None),
        _error(record.validation_error if record is not None and is_result else None),
        look(method(optimizer)).label,
        number_cell(number(optimizer["lr"]), optimizer["lr"]),
        number_cell(number(optimizer["weight_decay"]), optimizer["weight_decay"]),
        number_cell(str(model["depth"]), model["depth"]),
        BATCH_NORM[model["batch_norm"]],
        number_cell(str(config["seed"]), config["seed"]),
        element("td", " ".join(run.experiments) or "none of this profile", class_="experiments"),
        # For comparison with the selects.
        data_optimizer=method(optimizer),
        data_depth=model["depth"],
        data_bn=BATCH_NORM[model["batch_norm"]],
        data_status=run.state,
        data_experiment=" ".join(run.experiments),
    )


def _select(name: str, label: str, values: Iterable[Any], words: dict[Any, str] | None = None) -> Html:
    options = [element("option", (words or {}).get(value, str(value)), value=str(value)) for value in values]
    chooser = element("select", element("option", "all", value=""), *options, name=name)
    return element("label", element("span", label), chooser)


def _controls(runs: Sequence[Run]) -> Html:
    """The controls, hidden until the script activates them."""
    field = element("input", type="search", name="filter", placeholder="words in any column", autocomplete="off")
    present = {run.state for run in runs}
    methods = ordered(method(run.config["optimizer"]) for run in runs)
    norms = {BATCH_NORM[run.config["model"]["batch_norm"]] for run in runs}
    return element(
        "form",
        element("label", element("span", "Filter"), field, class_="wide"),
        _select("optimizer", "Optimizer", methods, {of: look(of).label for of in methods}),
        _select("depth", "Depth", sorted({run.config["model"]["depth"] for run in runs})),
        _select("bn", "BatchNorm", sorted(norms), {"yes": "with", "no": "without"}),
        _select("status", "Status", sorted(present)),
        _select("experiment", "Experiment", sorted({name for run in runs for name in run.experiments})),
        element("button", "Show all", type="reset"),
        id="runs-form",
        hidden=True,
    )


def run_table(runs: Sequence[Run]) -> Html:
    """All runs, one per row, with links to their records relative to RESULTS/report/."""
    if not runs:
        return element("p", "The profile needs no runs and the store has none.")
    one = ", ".join(row.label for row in OPTIMIZERS.values() if row.without_decay == ADAM)
    note = (
        f"At decay 0 {one} are the same algorithm: their cells share one run, listed as "
        f"{OPTIMIZERS[TRAINS_ADAM].label}. Links open records in the store that contains this page. Click a heading to "
        "sort; the page's address keeps the current view."
    )
    heads = [
        element("th", element("button", head, type="button"), scope="col", data_key=key)
        for key, head in COLUMNS.items()
    ]
    return join(
        [
            element("p", note, class_="note"),
            _controls(runs),
            element("p", element("output", count(len(runs), "run"), id="runs-shown"), aria_live="polite"),
            table("All runs", heads, map(_row, runs), id="runs-table"),
        ]
    )
