"""A survey as a plain-text table: one row per cell, with what varies, then mean and spread over the seeds."""

import statistics
from collections.abc import Sequence

from scalefree.experiments.evidence import errors
from scalefree.experiments.results import Point
from scalefree.experiments.survey import OPTIMIZER, PART, Survey, listed, short, written
from scalefree.terminal import shown

# The most rows printed in a terminal; longer tables are cut to the best cells.
MOST_ROWS = 80
BEST = "<- best"
_HEADS = ("test error (%)", "sd", "n", "diverged")


def _outcome(point: Point) -> list[str]:
    """Mean and standard deviation of the test error, seeds with a result, and diverged ones."""
    found = list(errors(point).values())
    there, asked = len(found), len(point.results)
    diverged = sum(record.outcome.status == "diverged" for record in point.records.values())
    mean = f"{statistics.mean(found):.2f}" if found else "-"
    spread = f"{statistics.stdev(found):.2f}" if there > 1 and diverged < there else "-"
    return [mean, spread, str(there) if there == asked else f"{there} of {asked}", str(diverged)]


def _lines(rows: Sequence[Sequence[str]], words: int, marks: Sequence[bool]) -> list[str]:
    """Columns as wide as their widest entry: the first `words` flush left, numbers flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for index, row in enumerate(rows):
        entries = [
            entry.ljust(width) if column < words else entry.rjust(width)
            for column, (entry, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(entries)}{f'  {BEST}' if marks[index] else ''}".rstrip())
    return lines


def best_rule(survey: Survey) -> str:
    """How the best cells were chosen: `lowest mean test error over lr and weight_decay, for each depth`."""
    counts = {len(point.records) for point in survey.points if point.records}
    among = ", among the cells with most seeds" if len(counts) > 1 else ""
    if not survey.tuned:
        return f"lowest mean {survey.criterion} error of all cells{among}"
    each = [*survey.across, *([survey.series] if survey.series else [])]
    of = f", for each {listed(map(short, each))}" if each else ""
    return f"lowest mean {survey.criterion} error over {listed(map(short, survey.tuned))}{of}{among}"


def notes(survey: Survey) -> list[str]:
    """What a reader of the table needs to know, one line each."""
    said = [f"held fixed: {', '.join(survey.fixed())}"]
    if survey.best_cells():
        by = "" if survey.criterion == "validation" else "; no images are held out for validation"
        said.append(f"best: {best_rule(survey)}{by}")
    elif len(survey.cells) > 1:
        said.append("best: none; there is no cell whose seeds all completed training")
    if alike := survey.one_algorithm():
        said.append(f"at weight_decay 0 {listed(written(OPTIMIZER, of) for of in alike)} are the same algorithm, Adam")
    if any(record.outcome.status == "diverged" for point in survey.points for record in point.records.values()):
        said.append("diverged: training broke down; such a run counts as an error of 100 %")
    if len(survey.seeds) == 1:
        said.append(f"one seed ({survey.seeds[0]}): the variation between seeds is unknown; try seed=0,1,2")
    elif not survey.axes:
        said.append(f"seeds {', '.join(map(str, survey.seeds))}; nothing else varies")
    if lacking := survey.lacking():
        said.append(f"missing: {lacking}")
    return [shown(line) for line in said]


def rows_of(survey: Survey, only_best: bool = False) -> list[str]:
    """The lines of the table without notes, header first."""
    columns = [key for key in survey.axes if key != PART or len(survey.along(PART)) > 1]
    heads = [[*map(short, columns), *_HEADS]]
    best = {id(cell) for cell in survey.best_cells()}
    kept = [cell for cell in survey.cells if id(cell) in best or not only_best] or list(survey.cells[:MOST_ROWS])
    rows = [[*(shown(written(key, cell.values.get(key))) for key in columns), *_outcome(cell.point)] for cell in kept]
    return _lines([*heads, *rows], len(columns), [False, *(id(cell) in best for cell in kept)])


def table(survey: Survey) -> str:
    """The whole table with its notes."""
    return "\n".join([*rows_of(survey), *notes(survey), ""])


def short_table(survey: Survey) -> str:
    """The table as printed in a terminal: only the best cells if it is long."""
    if len(survey.cells) <= MOST_ROWS:
        return table(survey)
    left_out = f"the best of {len(survey.cells)} cells; table.txt, next to the figures, has them all"
    return "\n".join([*rows_of(survey, only_best=True), left_out, *notes(survey), ""])
