"""Draw figures and judge the claims from what the store holds, training nothing.

    python scripts/figures.py [profile=quick] [figure=all] [results_dir=results]

Without `figure=` it also computes the theory's figures and writes the table of claims.
"""

import sys

from scalefree.command_line import given, names, parse, refused
from scalefree.drawing import draw_everything, show
from scalefree.experiments import load_experiment
from scalefree.figures import check_figure, draw
from scalefree.records import Store
from scalefree.streams import begin


def main() -> int:
    """Exit codes: 0 drawn, 2 an unknown argument, figure or profile."""
    try:
        options = parse(given(), profile="quick", figure="all", results_dir="results")
        if options["figure"] == "all":
            draw_everything(options["profile"], options["results_dir"])
        else:
            chosen = names(options, "figure")
            for name in chosen:
                check_figure(name)
            load_experiment(chosen[0], options["profile"])  # an unknown profile is refused before anything is drawn
            for name in chosen:
                show(draw(name, options["profile"], Store(options["results_dir"])))
    except ValueError as error:
        return refused(error)
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
