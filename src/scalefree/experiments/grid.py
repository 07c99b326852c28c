"""An experiment is a named grid of runs; a profile sets their size. Together they give the cells to fill.

`configs/experiment/<name>.yaml` lists, for every profile, products of Hydra overrides; `configs/profile/<name>.yaml`
contains what all runs of a profile share. With `cell: own`, each method gets the step size and decay that the selection
seeds chose for it in that network (`configs/frozen/<profile>.yaml`); `cell: adamw` takes another method's cell, `cell:
adamw_decayed` its best one with a decay, `cell: no_decay` the best one without any, and `decay_times: 100` multiplies
the decay.

The optimizers that are Adam at lambda = 0 (`optimizers.py` says which) are the same algorithm there, bit for bit (a
test checks this), so cells that differ only in the optimizer share one run.
"""

import functools
import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scalefree.compose import CONFIG_DIR, compose_tree, files_of, one_line, run_config
from scalefree.config import OPTIONS, ConfigError, RunConfig, with_values
from scalefree.datasets import DATASETS
from scalefree.experiments.frozen import DECAYED, NO_DECAY, DamagedCells, Frozen, read_frozen
from scalefree.optimizers import ADAM, OPTIMIZERS, TRAINS_ADAM, method, row_of
from scalefree.records import model_label, run_identity, run_name

# The experiment whose seeds choose step sizes and decays but confirm nothing.
SELECTION = "selection"


@dataclass(frozen=True)
class Cell:
    """One cell of a grid.

    Attributes:
        config: the configuration of the cell.
        run: the run trained for it: `config`, but with the same optimizer for all that are Adam at lambda = 0.
        identity: that of `run`, and so the key of the cell's record in the store.
    """

    config: RunConfig
    run: RunConfig
    identity: str


@dataclass(frozen=True)
class Waiting:
    """A run that becomes part of the grid once the selection seeds have chosen its step size and decay.

    Attributes:
        config: everything except those two.
        network, method: the cell that it waits for, as in the file of frozen cells.
        decay_times: the factor for that cell's decay.
    """

    config: RunConfig
    network: str
    method: str
    decay_times: float


@dataclass(frozen=True)
class Experiment:
    """A named question and the cells that answer it under one profile."""

    name: str
    title: str
    cells: tuple[Cell, ...]
    waiting: tuple[Waiting, ...] = ()


def _files(folder: str) -> list[str]:
    """The names of the files in a folder of configs/, as they are chosen.

    Raises:
        ConfigError: there are none, or one has a name that Hydra cannot read.
    """
    files = files_of(folder)
    if not files:
        raise ConfigError(f"{CONFIG_DIR / folder} contains no files; install scalefree again from a complete checkout")
    for path in files:
        if not re.fullmatch(r"[\w-]+", path.stem, re.ASCII):
            raise ConfigError(
                f"{path} has a name that cannot be chosen; rename it with letters, digits and underscores"
            )
    return [path.stem for path in files]


def experiment_names() -> list[str]:
    """The names of all experiments."""
    return _files("experiment")


def profile_names() -> list[str]:
    """The names of all profiles."""
    return _files("profile")


def _config(values: Mapping[str, Any], frozen: Callable[[], Frozen]) -> RunConfig | Waiting:
    """The configuration, with step size and decay of the cell that `cell` names if there is one."""
    wanted = dict(values)
    if None in (wanted.get("cell", ""), wanted.get("decay_times", "")):
        raise ConfigError("a grid with an empty cell or decay_times means nothing; give it a value or remove it")
    of, times = wanted.pop("cell", None), wanted.pop("decay_times", None)
    if of is None:
        if times is not None:
            raise ConfigError(f"a grid with decay_times={times} multiplies the decay of a cell; add cell: own")
        return run_config(wanted)
    if any(key in wanted for key in ("optimizer.lr", "optimizer.weight_decay")):
        raise ConfigError(
            f"a grid with cell={of} takes its step size and decay from that cell; remove optimizer.lr and weight_decay"
        )
    if of not in ("own", NO_DECAY) and row_of(str(of).removesuffix(DECAYED)) is None:
        methods = ", ".join(OPTIMIZERS)
        raise ConfigError(
            f"cell={of} is unknown; choose own, {NO_DECAY}, or a method such as {methods}, optionally followed by "
            f"{DECAYED}"
        )
    if times is not None and not (type(times) in (int, float) and 0 < times < math.inf):
        raise ConfigError(f"decay_times={times} is impossible; it must be a finite number above 0")
    config = run_config(wanted)
    # Read only here: a damaged file must not prevent loading the selection experiment, which can repair it.
    network, wanted_of = model_label(config), method(vars(config.optimizer)) if of == "own" else of
    chosen = frozen().cells.get(network, {}).get(wanted_of)
    if chosen is None:
        return Waiting(config, network, wanted_of, times or 1)
    at = {"optimizer.lr": chosen.lr, "optimizer.weight_decay": chosen.decay(times or 1)}
    return run_config({**wanted, **at})


def cell_of(config: RunConfig) -> Cell:
    """The cell of a configuration."""
    run = config
    if config.optimizer.weight_decay == 0 and OPTIMIZERS[config.optimizer.name].without_decay == ADAM:
        without_options = {f"optimizer.{key}": nothing for key, nothing in OPTIONS.items()}
        run = with_values(config, {"optimizer.name": TRAINS_ADAM, **without_options})
    return Cell(config, run, run_identity(run))


def product(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All combinations of the listed values; a value that is not a list counts as one value.

    Raises:
        ConfigError: a list is empty, so that there would be no combination.
    """
    for key, values in grid.items():
        if values == []:
            raise ConfigError(f"a grid with no value for {key} has no runs; give one or remove the grid")
    axes = [
        [(key, value) for value in (values if isinstance(values, list) else [values])] for key, values in grid.items()
    ]
    return [dict(combination) for combination in itertools.product(*axes)]


def _read(name: str, profile: str) -> tuple[str, list[dict[str, Any]]]:
    """An experiment's title, and its grids under a profile with what the profile shares.

    Raises:
        ConfigError: one of the two files is not as docs/extending.md describes it.
    """
    composed = compose_tree("experiments", [f"profile={profile}", f"+experiment={name}"])
    # Interpolations are resolved only in this profile's grids, because others may refer to things that it lacks.
    written: Any = OmegaConf.to_container(composed)
    experiment = written.get("experiment")
    if not isinstance(experiment, dict) or experiment.keys() != {"title", "grids"}:
        found = ", ".join(map(str, experiment)) if isinstance(experiment, dict) and experiment else "none"
        raise ConfigError(f"the experiment's file must have the keys title and grids, and no others; it has {found}")
    by_profile = experiment["grids"]
    if not isinstance(by_profile, dict) or not all(isinstance(grids, list) for grids in by_profile.values()):
        raise ConfigError("the grids in the experiment's file must be a list for each profile; see docs/extending.md")
    if unknown := sorted(map(str, by_profile.keys() - set(profile_names()))):
        raise ConfigError(f"the experiment's file has grids for unknown profiles: {', '.join(unknown)}")
    if not isinstance(written["profile"], dict) or not isinstance(written["profile"].get("overrides"), dict):
        raise ConfigError("the profile's file must have the keys that its runs share, or {}, under overrides:")
    try:
        grids: Any = OmegaConf.to_container(
            composed.experiment.grids.get(profile) or OmegaConf.create([]), resolve=True
        )
        shared: Any = OmegaConf.to_container(composed.profile.overrides, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from None
    for grid in (shared, *grids):
        if not isinstance(grid, dict) or not all(isinstance(key, str) for key in grid):
            raise ConfigError(f"{grid} is not a mapping of a run's keys to values; see docs/extending.md")
    return str(experiment["title"]), [{**shared, **grid} for grid in grids]


@functools.cache
def load_experiment(name: str, profile: str) -> Experiment:
    """Load the cells of an experiment under a profile; there are none if the profile omits the experiment.

    Raises:
        ConfigError: an unknown name, an experiment's file with a missing or another key, or a grid with an unknown key
            or an impossible value.
    """
    if name not in experiment_names():
        raise ConfigError(f"experiment={name} is unknown; choose one of {', '.join(experiment_names())}")
    if profile not in profile_names():
        raise ConfigError(f"profile={profile} is unknown; choose one of {', '.join(profile_names())}")
    try:
        title, grids = _read(name, profile)
        frozen = functools.cache(functools.partial(read_frozen, profile))
        cells: dict[str, Cell] = {}
        waiting: list[Waiting] = []
        for grid in grids:
            for values in product(grid):
                config = _config(values, frozen)
                if isinstance(config, Waiting):
                    waiting.append(config)
                elif config.dataset.name == "image_folder" and config.dataset.fingerprint is None:
                    raise ConfigError(
                        "dataset=image_folder needs dataset.fingerprint too, because a run's identity depends on its "
                        "images; train one run with scripts/train.py, whose record.json has it"
                    )
                else:
                    cells.setdefault(run_identity(config), cell_of(config))
    except DamagedCells:
        raise  # the same for all experiments
    except ConfigError as error:
        raise ConfigError(f"experiment {name} under profile {profile}: {error}") from error
    return Experiment(name, title, tuple(cells.values()), tuple(waiting))


def with_dataset_root(config: RunConfig, root: str) -> RunConfig:
    """The run with its images from `root/<dataset>` where that is a folder, or else from `root`, if it takes any."""
    if not root or not DATASETS[config.dataset.name].takes_root:
        return config
    own = os.path.join(root, config.dataset.name)
    return with_values(config, {"dataset.root": own if os.path.isdir(own) else root})


def runs_of(experiments: Iterable[Experiment]) -> dict[str, tuple[RunConfig, list[str]]]:
    """Every distinct run that the experiments need: name -> (configuration, the experiments that need it)."""
    runs: dict[str, tuple[RunConfig, list[str]]] = {}
    for experiment in experiments:
        for cell in experiment.cells:
            _, needed_by = runs.setdefault(run_name(cell.run), (cell.run, []))
            if experiment.name not in needed_by:
                needed_by.append(experiment.name)
    return runs
