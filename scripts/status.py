"""How much of a profile's grids the store holds.

python scripts/status.py [profile=quick] [results_dir=results] [jobs=1]
"""

import sys

from scalefree.command_line import given, parse, refused, whole_number
from scalefree.experiments import experiment_names, load_experiment, runs_of
from scalefree.experiments.choosing import waited_for
from scalefree.experiments.coverage import Coverage, coverage
from scalefree.records import Store
from scalefree.streams import begin
from scalefree.terminal import duration, shown


def row(of: Coverage, jobs: int) -> str:
    """One line of the table; `jobs` runs are trained at once."""
    states = (of.total, of.completed, of.diverged, of.partial, of.failed, of.missing)
    alone = of.seconds_left
    left = "unknown" if alone is None else duration(alone / jobs)
    if of.completed + of.diverged == of.total:
        left = "-"
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
    print(f"profile {options['profile']}, {shown(store.root)}: runs, shared ones counted in each experiment")
    heads = ("runs", "completed", "diverged", "partial", "failed", "missing")
    print(f"{'experiment':<18}" + "".join(f"{head:>10}" for head in heads) + f"{'time left':>14}")
    for of in coverage(experiments, store, records):
        print(row(of, jobs))
    needed = runs_of(experiments)
    done = {record.name for record in records.values() if record.outcome.is_result}
    print(f"all together {len(needed)} different runs, {len(needed.keys() & done)} done")
    for line in waited_for(experiments, options["profile"], records):
        print(line)
    print(
        f"time left: {jobs} at a time, at the pace of this store's records; for runs unlike any of them by their FLOPs "
        "and the pace of the most similar ones; at most, as runs that are partial count as whole"
    )
    return 0


if __name__ == "__main__":
    sys.exit(begin(main, only_says=True))
