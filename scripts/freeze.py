"""Choose each method's step size and decay by validation error, from the records of the selection seeds.

    python scripts/freeze.py [profile=digits] [results_dir=results]

Writes configs/frozen/<profile>.yaml, from which the confirmation runs take their cells. An incomplete grid chooses
nothing and keeps its previous cell; a cell that no grid tries any more is dropped; a winner at the edge of its grid is
pointed out, because the grid should be extended there. reproduce.py makes any choice that has not been made yet; this
script makes every choice again.
"""

import sys

from scalefree.command_line import given, parse, refused
from scalefree.experiments.choosing import Grid, choose_again, selection_grids
from scalefree.experiments.frozen import Cell, frozen_path
from scalefree.records import Store
from scalefree.streams import begin


def line(network: str, method: str, cell: Cell, before: Cell | None) -> str:
    """One row of the table of cells."""
    at = f"lr {cell.lr:<8g} weight_decay {cell.weight_decay:<8g}"
    moved = before is not None and (before.lr, before.weight_decay) != (cell.lr, cell.weight_decay)
    was = f"  was lr {before.lr:g}, weight_decay {before.weight_decay:g}" if before is not None and moved else ""
    edges = f"  at the edge: try {' and '.join(cell.edges)}" if cell.edges else ""
    return f"{network:<32} {method:<32} {at}{was}{edges}"


def unfinished(grid: Grid, kept: bool) -> str:
    """The row of a grid that could not choose."""
    has = f"{grid.done} of {grid.runs} runs have results"
    return f"{grid.network:<32} {grid.method:<32} {has}; {'keeps its cell' if kept else 'nothing chosen'}"


def main() -> int:
    """Exit codes: 0 written, 1 nothing could be chosen, 2 an unknown argument or profile."""
    try:
        options = parse(given(), profile="digits", results_dir="results")
        profile = options["profile"]
        records = Store(options["results_dir"]).records()
        before, now = choose_again(profile, records)
    except ValueError as error:
        return refused(error)
    for network, methods in sorted(now.cells.items()):
        for method, cell in sorted(methods.items()):
            print(line(network, method, cell, before.cells.get(network, {}).get(method)))
    for grid in selection_grids(profile, records):
        if grid.done < grid.runs:
            print(unfinished(grid, grid.method in (now if now.cells else before).cells.get(grid.network, {})))
    for network, methods in sorted(before.cells.items() if now.cells else ()):
        for method in sorted(methods.keys() - now.cells.get(network, {}).keys()):
            print(f"{network:<32} {method:<32} dropped, because no grid tries it")
    if not now.cells:
        refused(f"profile={profile} has no complete grid in the experiment selection; train more of its runs")
        return 1
    print(f"written: {frozen_path(profile)}")
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
