"""Train what a profile's experiments lack, then draw the figures and judge the claims.

    python scripts/reproduce.py [profile=quick] [experiment=all] [results_dir=results] [jobs=<cores>] [tracking=offline]

Interrupted and started again, it continues: runs that the store has are never trained twice.
"""

import logging
import os
import sys

from command_line import parse, whole_number
from scalefree.config import RunConfig, validate, with_values
from scalefree.experiments import Experiment, experiment_names, load_experiment, runs_of


def to_train(experiments: list[Experiment], results_dir: str, tracking: str, profile: str) -> list[RunConfig]:
    """Every run of the experiments with the machine keys set; wandb's group is the first experiment that needs it."""
    configs = []
    for config, needed_by in runs_of(experiments).values():
        values = {
            "results_dir": results_dir,
            "tracking.mode": tracking,
            "tracking.tags": [f"profile:{profile}", *needed_by],
        }
        configured = with_values(config, values)
        configured.tracking.group = needed_by[0]
        validate(configured)
        configs.append(configured)
    return configs


def main() -> int:
    """Exit codes: 0 done, 1 a run failed, 2 refused before any work, 130 interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        options = parse(
            sys.argv[1:],
            profile="quick",
            experiment="all",
            results_dir="results",
            jobs=str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1),
            tracking="offline",
        )
        names = experiment_names() if options["experiment"] == "all" else options["experiment"].split(",")
        experiments = [load_experiment(name, options["profile"]) for name in names]
        configs = to_train(experiments, options["results_dir"], options["tracking"], options["profile"])
        jobs = whole_number(options, "jobs")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    from scalefree.training.sweep import sweep

    print(f"profile {options['profile']}: {len(configs)} runs for {', '.join(names)}; {jobs} at a time")
    done = sweep(configs, jobs)
    print(done.summary())
    if done.interrupted:
        print("interrupted; the same command goes on from here")
        return 130

    from drawing import draw_everything  # Matplotlib and SciPy; the workers, which read this file too, need neither

    draw_everything(options["profile"], options["results_dir"], jobs)
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
