"""Show how much of a profile's grids is in the store.

python scripts/status.py [profile=quick] [results_dir=results] [jobs=1]
"""

import sys

from scalefree.command_line import given, parse, refused, whole_number
from scalefree.experiments import experiment_names, load_experiment
from scalefree.experiments.choosing import waited_for
from scalefree.experiments.cost import Pace
from scalefree.experiments.coverage import Coverage, coverage, coverage_together
from scalefree.records import Store
from scalefree.streams import begin
from scalefree.terminal import duration, shown


def time_left(of: Coverage, jobs: int) -> str:
    """The time for all runs without a result, `jobs` at a time; `unknown` if nothing was measured."""
    return "unknown" if of.seconds_left is None else duration(of.seconds_left / jobs)


def row(of: Coverage, jobs: int) -> str:
    """One line of the table, if `jobs` runs are trained at once."""
    states = (of.total, of.completed, of.diverged, of.partial, of.failed, of.missing)
    left = "-" if of.completed + of.diverged == of.total else time_left(of, jobs)
    return f"{of.experiment:<18}" + "".join(f"{state:>10}" for state in states) + f"{left:>14}"


def main() -> int:
    """Exit codes: 0 shown, 2 an unknown argument or profile."""
    try:
        options = parse(given(), profile="quick", results_dir="results", jobs="1")
        jobs = whole_number(options, "jobs")
        experiments = [load_experiment(name, options["profile"]) for name in experiment_names()]
    except ValueError as error:
        return refused(error)
    store = Store(options["results_dir"])
    records = store.records()
    pace = Pace.of_records(records)
    print(f"profile {options['profile']}, {shown(store.root)}: runs (shared runs count in each experiment)")
    heads = ("runs", "completed", "diverged", "partial", "failed", "missing")
    print(f"{'experiment':<18}" + "".join(f"{head:>10}" for head in heads) + f"{'time left':>14}")
    for of in coverage([experiment for experiment in experiments if experiment.cells], store, records, pace):
        print(row(of, jobs))
    together = coverage_together(experiments, store, records, pace)
    done = together.completed + together.diverged
    more = "" if done == together.total else f", time left {time_left(together, jobs)}"
    print(f"{together.total} different runs in total, {done} done{more}")
    if left_out := [of.name for of in experiments if not of.cells and not of.waiting]:
        print(f"the profile does not include {', '.join(left_out)}")
    for line in waited_for(experiments, options["profile"], records):
        print(line)
    if done == together.total:
        return 0
    if together.seconds_left is None:
        print("time left: unknown until this store has a completed run to estimate it from")
        return 0
    print(
        f"time left: {jobs} at a time on {pace.device}, at the pace of this store's records from {pace.device}; for a "
        "run unlike them, from its FLOPs and the pace of the most similar ones; an upper bound, since partial runs "
        "count as not started"
    )
    return 0


if __name__ == "__main__":
    sys.exit(begin(main, only_says=True))
