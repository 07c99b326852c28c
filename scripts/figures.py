"""Draw figures and judge the claims from what the store holds, training nothing.

    python scripts/figures.py [profile=quick] [figure=all] [results_dir=results]

Without `figure=` it also computes the theory's figures and writes the table of claims.
"""

import sys
from pathlib import Path

from command_line import parse
from scalefree.claims import write
from scalefree.experiments import load_experiment
from scalefree.figures import draw, draw_all, draw_theory
from scalefree.records import Store


def show(paths: list[Path]) -> None:
    """Say where files are; a figure is there as PNG and as PDF, and one of them is named."""
    for path in paths:
        if path.suffix != ".pdf":
            print(f"  {path}")


def draw_everything(profile: str, results_dir: str) -> None:
    """All figures that the profile's records give, the theory's, and the claims; says where they are."""
    store = Store(results_dir)
    load_experiment("without_bn", profile)  # an unknown profile is refused before anything is computed
    print("figures, each as PNG and PDF:")
    show(draw_all(profile, store))
    show(draw_theory(store.root / "figures" / "theory"))
    print("claims:")
    show(write(profile, results_dir))


def main() -> int:
    """Exit codes: 0 drawn, 2 an unknown argument, figure or profile."""
    try:
        options = parse(sys.argv[1:], profile="quick", figure="all", results_dir="results")
        if options["figure"] == "all":
            draw_everything(options["profile"], options["results_dir"])
        else:
            for name in options["figure"].split(","):
                show(draw(name, options["profile"], Store(options["results_dir"])))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
