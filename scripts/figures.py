"""Draw figures and judge the claims from what the store holds, training nothing.

    python scripts/figures.py [profile=quick] [figure=all] [results_dir=results]

Without `figure=` it also computes the theory's figures and writes the table of claims.
"""

import sys

from scalefree.command_line import given, names, parse, refused
from scalefree.drawing import draw_everything, show
from scalefree.experiments.evidence import gather
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
            evidence = gather(options["profile"], Store(options["results_dir"]))
            for name in chosen:
                show(draw(name, evidence))
    except ValueError as error:
        return refused(error)
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
