"""Draw figures from the records that the store holds, training nothing.

python scripts/figures.py [profile=quick] [figure=all] [results_dir=results]
"""

import sys
from collections.abc import Sequence

from command_line import parse
from scalefree.figures import FIGURES, draw
from scalefree.records import Store


def draw_figures(names: Sequence[str], profile: str, results_dir: str) -> None:
    """Draw the figures of these experiments and say where they are."""
    store = Store(results_dir)
    records = store.records()
    paths = [path for name in names if name in FIGURES for path in draw(name, profile, store, records=records)]
    print(f"figures ({len(paths)} files, each as PNG and PDF):")
    for path in paths:
        if path.suffix == ".png":
            print(f"  {path}")


def main() -> int:
    """Exit codes: 0 drawn, 2 an unknown argument, figure or profile."""
    try:
        options = parse(sys.argv[1:], profile="quick", figure="all", results_dir="results")
        names = list(FIGURES) if options["figure"] == "all" else options["figure"].split(",")
        if unknown := [name for name in names if name not in FIGURES]:
            raise ValueError(f"figure={unknown[0]} is unknown; choose of {', '.join(FIGURES)}")
        draw_figures(names, options["profile"], options["results_dir"])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
