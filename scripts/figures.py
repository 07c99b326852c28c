"""Draw figures and judge the claims from the records in the store, without training anything.

    python scripts/figures.py [profile=quick] [figure=all] [results_dir=results]
    python scripts/figures.py 'where=[optimizer.name=adamw, model.depth=[20,56]]' ['where=[...]' ...]
                              [results_dir=results]

Without `figure=` this also draws the theory figures and writes the table of claims. With `where=` it shows the selected
part of the store as a multirun shows its own runs when it ends: a table, and figures in RESULTS/figures/sweeps/<name>/.
Several parts are shown side by side; `where=[]` selects the whole store.
"""

import logging
import sys

from scalefree.command_line import given, names, parse, refused
from scalefree.config import ConfigError
from scalefree.drawing import draw_everything, show
from scalefree.experiments.evidence import gather
from scalefree.experiments.survey import for_every_method, results_of, survey
from scalefree.experiments.survey_table import short_table
from scalefree.experiments.where import labels, read_where, stem
from scalefree.figures import check_figure, draw, draw_survey
from scalefree.launching.ending import folder_of, title_of
from scalefree.records import Store
from scalefree.streams import begin

WHERE = "where="
# Parts that a title names.
MOST_NAMED = 3


def draw_parts(texts: list[str], results_dir: str) -> None:
    """Print the table and draw the figures of the selected parts of a store.

    Raises:
        ValueError: a condition that cannot be read, or that no run meets.
    """
    store = Store(results_dir)
    parts = [read_where(text) for text in texts]
    if len({part.text for part in parts}) < len(parts):
        raise ConfigError("two where= arguments are the same; leave one out")
    results, failures = results_of(store.records().values())
    if not results:
        raise ConfigError(f"results_dir={results_dir} contains no records; train some runs, or name another folder")
    every = for_every_method(results)
    called = labels(parts)
    of = survey({label: part.of(every) for label, part in zip(called, parts, strict=True)}, store, failures)
    print(short_table(of))
    title = f"{title_of(of)} ({parts[0].text.strip('[]')})"
    if len(parts) > 1:
        title = " against ".join(called) if len(parts) <= MOST_NAMED else f"{len(parts)} parts side by side"
    print("figures, each as PNG and PDF:")
    show(draw_survey(of, title, folder_of(store, stem(parts))))


def main() -> int:
    """Exit codes: 0 drawn, 2 an unknown argument, figure or profile."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        arguments = given()
        parts = [argument.removeprefix(WHERE) for argument in arguments if argument.startswith(WHERE)]
        if parts:
            rest = [argument for argument in arguments if not argument.startswith(WHERE)]
            draw_parts(parts, parse(rest, results_dir="results")["results_dir"])
            return 0
        options = parse(arguments, profile="quick", figure="all", results_dir="results")
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
