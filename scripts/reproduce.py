"""Train the runs that a profile's experiments still lack, then draw the figures and judge the claims.

If the profile's step sizes and decays are chosen by selection seeds, those grids are trained first. Each complete grid
whose cell is not yet in configs/frozen/<profile>.yaml chooses it there (freeze.py chooses all of them again), and then
the runs that were waiting for it are trained.

    python scripts/reproduce.py [profile=quick] [experiment=all] [results_dir=results] [jobs=<cores>] [tracking=offline]
                                [dataset_root=DIR] [draw=yes]
    python scripts/reproduce.py profile=paper hydra/launcher=slurm hydra.launcher.partition=gpu ...

With dataset_root, CIFAR is not downloaded but read from DIR/cifar10 and DIR/cifar100, or from DIR itself; each contains
train/<class>/*.png and test/<class>/*.png or torchvision's files. The second command trains on a SLURM cluster, with
the same preset and keys as train.py -m. If it is interrupted, run it again to continue: runs already in the store are
never trained twice.
"""

import logging
import os
import sys
from typing import Any

from omegaconf import OmegaConf

from scalefree.command_line import choice, given, names, parse, refused, whole_number
from scalefree.compose import compose_tree, one_line, parse_override
from scalefree.config import ConfigError, RunConfig, validate, with_values
from scalefree.experiments import Experiment, experiment_names, load_experiment, runs_of, with_dataset_root
from scalefree.experiments.choosing import fill_in, waited_for
from scalefree.experiments.frozen import frozen_path
from scalefree.interruption import Interrupted
from scalefree.launching import LocalSettings, Settings, SweepUnfinished, check_machine, launch, settings_of
from scalefree.launching.settings import cores
from scalefree.records import Store, run_name
from scalefree.streams import begin

PRESET, LAUNCHER = "hydra/launcher=", ("hydra.launcher.", "+hydra.launcher.", "++hydra.launcher.")


def to_train(
    experiments: list[Experiment], results_dir: str, tracking: str, profile: str, root: str
) -> list[RunConfig]:
    """Every run of the experiments with the machine keys set; wandb's group is the first experiment that needs it.

    Raises:
        ConfigError: there are none, and none waits for the selection.
    """
    configs = []
    for config, needed_by in runs_of(experiments).values():
        values: dict[str, Any] = {
            "results_dir": results_dir,
            "tracking.mode": tracking,
            "tracking.tags": [f"profile:{profile}", *needed_by],
        }
        configured = with_dataset_root(with_values(config, values), root)
        configured.tracking.group = needed_by[0]
        validate(configured)
        configs.append(configured)
    if not configs and not any(one.waiting for one in experiments):
        raise ConfigError(
            f"profile={profile} has no runs of {', '.join(one.name for one in experiments)}; python scripts/status.py "
            f"profile={profile} lists the experiments that have some"
        )
    return configs


def launcher(arguments: list[str]) -> Settings | None:
    """The settings of the requested launcher, composed as train.py composes them; None if no launcher was given.

    Raises:
        ValueError: an unknown preset, an unknown key, or a value of the wrong type.
    """
    chosen = [argument for argument in arguments if argument.startswith(PRESET)]
    # With or without a plus: the launcher's settings decide whether it has such a key.
    values = [argument.lstrip("+") for argument in arguments if argument.startswith(LAUNCHER)]
    if not chosen:
        if values:
            raise ValueError(f"{values[0]} needs {PRESET}slurm, {PRESET}gpu or {PRESET}local")
        return None
    if len(chosen) > 1:
        raise ValueError(f"{' '.join(chosen)}: choose one launcher")
    for value in values:
        parse_override(value)
    hydra = compose_tree("config", [*chosen, *(f"++{value}" for value in values)], hydra=True).hydra
    composed = OmegaConf.to_container(hydra.launcher, resolve=True)
    assert isinstance(composed, dict)
    settings = {str(key): value for key, value in composed.items() if key != "_target_"}
    return settings_of(chosen[0].removeprefix(PRESET), settings)


def loaded(names: list[str], profile: str, results_dir: str) -> list[Experiment]:
    """The experiments, after the records in the store have made the choices that they wait for.

    Raises:
        ConfigError: the file of frozen cells is damaged.
    """
    experiments = [load_experiment(name, profile) for name in names]
    if not any(experiment.waiting for experiment in experiments):
        return experiments
    added = fill_in(profile, Store(results_dir).records())
    for network, methods in sorted(added.items()):
        for method, cell in sorted(methods.items()):
            edges = f", at the edge of its grid: try {' and '.join(cell.edges)}" if cell.edges else ""
            print(f"chosen: {network} {method}: lr {cell.lr:g}, weight_decay {cell.weight_decay:g}{edges}")
    if added:
        print(f"written: {frozen_path(profile)}", flush=True)
    return [load_experiment(name, profile) for name in names]


def main() -> int:
    """Exit codes: 0 done, 1 a run failed, 2 refused before any work, 130 interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        arguments = given()
        options = parse(
            [argument for argument in arguments if not argument.startswith((PRESET, *LAUNCHER))],
            profile="quick",
            experiment="all",
            results_dir="results",
            jobs=str(cores()),
            tracking="offline",
            dataset_root="",
            draw="yes",
        )
        draws = choice(options, "draw", "yes", "no") == "yes"
        chosen = experiment_names() if options["experiment"] == "all" else names(options, "experiment")
        profile, results_dir = options["profile"], options["results_dir"]
        machine = (results_dir, options["tracking"], profile, options["dataset_root"])
        configs = to_train([load_experiment(name, profile) for name in chosen], *machine)
        jobs = whole_number(options, "jobs")
        settings = launcher(arguments)
        if settings is None:
            settings = settings_of("local", {"jobs": jobs})
        elif any(argument.startswith("jobs=") for argument in arguments):
            raise ValueError(
                f"jobs={jobs} does not set how many runs train at a time under {PRESET}; leave it out and give "
                "hydra.launcher.jobs=, or under SLURM hydra.launcher.runs_at_once="
            )
        check_machine(settings, configs)
        root = options["dataset_root"]
        if root and isinstance(settings, LocalSettings) and not os.path.isdir(root):
            raise ValueError(f"dataset_root={root} does not exist; name the folder that holds CIFAR, or leave it out")
        configs = to_train(experiments := loaded(chosen, profile, results_dir), *machine)
    except ValueError as error:
        return refused(one_line(error))

    print(f"profile {profile}: {len(configs)} runs for {', '.join(chosen)}", flush=True)
    unfinished, launched = False, set[str]()
    try:
        while True:
            try:
                launch(settings, configs)
            except SweepUnfinished as error:
                print(f"error: {error}; the figures will be drawn from the runs that are done", file=sys.stderr)
                unfinished = True
            launched |= {run_name(config) for config in configs}
            experiments = loaded(chosen, profile, results_dir)
            configs = [config for config in to_train(experiments, *machine) if run_name(config) not in launched]
            if not configs:
                break
            print(f"profile {profile}: {len(configs)} more runs, whose cells have now been chosen", flush=True)
    except ConfigError as error:
        return refused(one_line(error))
    except Interrupted:
        print("interrupted; run the same command again to resume")
        return 130
    if any(experiment.waiting for experiment in experiments):
        for line in waited_for(experiments, profile, Store(results_dir).records()):
            print(line)

    if not draws:
        return 1 if unfinished else 0
    # Imports Matplotlib and SciPy, which the workers, who also import this file, do not need.
    from scalefree.drawing import draw_everything

    draw_everything(profile, results_dir, jobs)
    return 1 if unfinished else 0


if __name__ == "__main__":
    sys.exit(begin(main))
