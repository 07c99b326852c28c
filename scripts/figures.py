"""Draw figures from the records that the store holds, training nothing.

python scripts/figures.py [profile=quick] [figure=all] [results_dir=results]
"""

import sys
from collections.abc import Sequence

from command_line import parse
from scalefree.experiments import experiment_names, load_experiment
from scalefree.figures import FIGURES, draw
from scalefree.records import Store


def drawable(profile: str) -> list[str]:
    """The figures whose experiments have cells under the profile."""
    return [name for name in FIGURES if name in experiment_names() and load_experiment(name, profile).cells]


def draw_figures(names: Sequence[str], profile: str, results_dir: str) -> None:
    """Draw the figures of these experiments and say where they are."""
    store = Store(results_dir)
    records = store.records()
    paths = [path for name in names for path in draw(name, profile, store, records=records)]
    print(f"figures ({len(paths)} files, each as PNG and PDF):")
    for path in paths:
        if path.suffix == ".png":
            print(f"  {path}")


def main() -> int:
    """Exit codes: 0 drawn, 2 an unknown argument, figure or profile."""
    try:
        options = parse(sys.argv[1:], profile="quick", figure="all", results_dir="results")
        names = drawable(options["profile"]) if options["figure"] == "all" else options["figure"].split(",")
        draw_figures(names, options["profile"], options["results_dir"])
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
