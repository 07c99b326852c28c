"""Draw figures and judge the claims from what the store holds, training nothing.

    python scripts/figures.py [profile=quick] [figure=all] [results_dir=results]

Without `figure=` it also computes the theory's figures and writes the table of claims.
"""

import sys

from command_line import parse
from drawing import draw_everything, show
from scalefree.experiments.evidence import gather
from scalefree.figures import draw
from scalefree.records import Store
from streams import begin


def main() -> int:
    """Exit codes: 0 drawn, 2 an unknown argument, figure or profile."""
    try:
        options = parse(sys.argv[1:], profile="quick", figure="all", results_dir="results")
        if options["figure"] == "all":
            draw_everything(options["profile"], options["results_dir"])
        else:
            evidence = gather(options["profile"], Store(options["results_dir"]))
            for name in options["figure"].split(","):
                show(draw(name, evidence))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
