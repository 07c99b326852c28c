"""Choose each method's step size and decay from the selection seeds' records, by validation error.

    python scripts/freeze.py [profile=digits] [results_dir=results]

Writes configs/frozen/<profile>.yaml, from which the confirmation runs take their cells. A grid with cells missing
chooses nothing; a winner at the edge of its grid is named, as the grid should be extended there.
"""

import sys

from scalefree.command_line import given, parse, refused
from scalefree.experiments import load_experiment, settings, with_records
from scalefree.experiments.choosing import choose
from scalefree.experiments.frozen import as_yaml, frozen_path
from scalefree.files import atomic_write
from scalefree.records import Store
from scalefree.streams import begin


def main() -> int:
    """Exit codes: 0 written, 1 nothing could be chosen, 2 an unknown argument or profile."""
    try:
        options = parse(given(), profile="digits", results_dir="results")
        profile = options["profile"]
        selection = load_experiment("selection", profile)
    except ValueError as error:
        return refused(error)
    frozen = choose(settings(with_records(selection, Store(options["results_dir"]).records())))
    if not any(frozen.cells.values()):
        refused(f"no grid of the experiment selection is complete under profile={profile}")
        return 1
    for network, methods in sorted(frozen.cells.items()):
        for method, cell in sorted(methods.items()):
            edges = f"  at the edge: try {' and '.join(cell.edges)}" if cell.edges else ""
            print(f"{network:<32} {method:<32} lr {cell.lr:<8g} weight_decay {cell.weight_decay:<8g}{edges}")
    path = frozen_path(profile)
    path.parent.mkdir(exist_ok=True)
    with atomic_write(path) as file:
        file.write(as_yaml(profile, frozen).encode())
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
