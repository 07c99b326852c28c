"""How much of each experiment's grid is in the store."""

from collections import Counter
from collections.abc import Mapping, Sequence

from scalefree.experiments import Experiment
from scalefree.experiments.cost import Pace
from scalefree.experiments.coverage import Coverage, coverage
from scalefree.experiments.names import count
from scalefree.records import Record, Store
from scalefree.report.markup import Html, element, join, number_cell, row, table
from scalefree.report.runs import Run
from scalefree.terminal import duration

HEADS = ("Experiment", "Runs", "Done", "Completed", "Diverged", "Partial", "Failed", "Missing", "Time left")


def _row(title: str, of: Coverage) -> Html:
    done = of.completed + of.diverged
    link = element("a", of.experiment, href=f"#experiment={of.experiment}")
    counts = (of.completed, of.diverged, of.partial, of.failed, of.missing)
    left = "unknown" if of.seconds_left is None else duration(of.seconds_left)
    bar = element("progress", value=done, max=of.total, aria_label=f"{done} of {of.total}")
    return row(
        element("td", link, element("span", title, class_="note"), class_="two-lines"),
        number_cell(str(of.total), of.total),
        element("td", bar, f" {100 * done // of.total} %", class_="done"),
        *(number_cell(str(number), number) for number in counts),
        element("td", "" if done == of.total else left, class_="number"),
    )


def coverage_section(
    experiments: Sequence[Experiment], store: Store, records: Mapping[str, Record], runs: Sequence[Run]
) -> Html:
    """One row per experiment with cells in the profile, what they need in total, and what is waiting."""
    asked = [experiment for experiment in experiments if experiment.cells]
    if not asked:
        return element("p", "The profile has no cells.")
    left_out = [experiment.name for experiment in experiments if not experiment.cells and not experiment.waiting]
    waiting = {experiment.name: len(experiment.waiting) for experiment in experiments if experiment.waiting}
    pace = Pace.of_records(records)
    needed = [run for run in runs if run.experiments]
    done = sum(run.is_evidence for run in needed)
    summary = (
        f"{count(len(needed), 'different run')}, {done:,} done; shared runs count in each row. "
        f"Time left assumes one run at a time, at the pace of this store's records from {pace.device}."
    )
    if waiting:
        of_each = ", ".join(f"{name} ({number:,})" for name, number in waiting.items())
        summary += f" Runs waiting for their step sizes and decays to be chosen: {of_each}."
    if left_out:
        summary += f" The profile does not include {', '.join(left_out)}."
    rows = [
        _row(experiment.title, of) for experiment, of in zip(asked, coverage(asked, store, records, pace), strict=True)
    ]
    return join([element("p", summary, class_="note"), table("Coverage by experiment", HEADS, rows)])


def state_line(runs: Sequence[Run]) -> Html:
    """The state of the profile's runs in one line, at the moment when the page was written."""
    states = Counter(run.state for run in runs if run.experiments)
    done, total = states["completed"] + states["diverged"], states.total()
    if not total:
        return Html("")
    diverged = f", {states['diverged']:,} of them diverged" if states["diverged"] else ""
    parts = [f"{done:,} of {count(total, 'run')} done ({100 * done // total} %){diverged}"]
    parts += [f"{states[state]:,} {state}" for state in ("partial", "failed", "missing") if states[state]]
    more = [" ", element("code", "make report"), " updates this page with what has been trained since."]
    link = element("a", "Coverage", href="#coverage")
    said = element("strong", f"State: {'; '.join(parts)}.")
    return element("p", said, *(more if done < total else []), " ", link, " has the details.", id="state")
