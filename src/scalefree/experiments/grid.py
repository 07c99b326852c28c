"""An experiment is a named grid of runs; a profile says at which size. Together they give the cells to fill.

`configs/experiment/<name>.yaml` lists, for every profile, products of Hydra overrides; `configs/profile/<name>.yaml`
holds what all runs of a profile share. At lambda = 0 the four optimizers are one algorithm, bit for bit (a
test proves it), so the cells of a grid that differ only in the optimizer share one run there.
"""

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from scalefree.compose import CONFIG_DIR, compose_tree, run_config
from scalefree.config import ConfigError, RunConfig, with_values
from scalefree.records import run_identity, run_name

# Which optimizer trains the cells whose decay is zero.
WITHOUT_DECAY = "adamw"


@dataclass(frozen=True)
class Cell:
    """One place of a grid.

    Attributes:
        config: what the cell asks for.
        run: what is trained for it: `config` but for the optimizer's name where lambda = 0.
        identity: of `run`, so the key of the cell's record in the store.
    """

    config: RunConfig
    run: RunConfig
    identity: str


@dataclass(frozen=True)
class Experiment:
    """A named question and the cells that answer it under one profile."""

    name: str
    title: str
    cells: tuple[Cell, ...]


def _files(folder: str) -> list[str]:
    """The names of the files in a folder of configs/.

    Raises:
        ConfigError: there are none.
    """
    found = sorted(path.stem for path in (CONFIG_DIR / folder).glob("*.yaml"))
    if not found:
        raise ConfigError(f"{CONFIG_DIR / folder} holds no files; install scalefree again, from a whole checkout")
    return found


def experiment_names() -> list[str]:
    """Every experiment that has a file."""
    return _files("experiment")


def profile_names() -> list[str]:
    """Every profile that has a file."""
    return _files("profile")


def _cell(values: Mapping[str, Any]) -> Cell:
    config = run_config(values)
    run = config
    if config.optimizer.weight_decay == 0:
        run = with_values(config, {"optimizer.name": WITHOUT_DECAY})
    return Cell(config, run, run_identity(run))


def product(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All combinations of the listed values; a value that is no list stands for itself."""
    axes = [
        [(key, value) for value in (values if isinstance(values, list) else [values])] for key, values in grid.items()
    ]
    return [dict(combination) for combination in itertools.product(*axes)]


@functools.cache
def load_experiment(name: str, profile: str) -> Experiment:
    """The cells of an experiment under a profile; none where the profile leaves the experiment out.

    Raises:
        ConfigError: an unknown name, or a grid that names an unknown key or an impossible value.
    """
    if name not in experiment_names():
        raise ConfigError(f"experiment={name} is unknown; choose one of {', '.join(experiment_names())}")
    if profile not in profile_names():
        raise ConfigError(f"profile={profile} is unknown; choose one of {', '.join(profile_names())}")
    composed = compose_tree("experiments", [f"profile={profile}", f"+experiment={name}"])
    tree: Any = OmegaConf.to_container(composed, resolve=True)
    experiment = tree["experiment"]
    if unknown := set(experiment["grids"]) - set(profile_names()):
        raise ConfigError(f"experiment {name} has grids for unknown profiles: {', '.join(sorted(unknown))}")
    shared = tree["profile"]["overrides"]
    cells: dict[str, Cell] = {}
    for grid in experiment["grids"].get(profile, []):
        for values in product({**shared, **grid}):
            cell = _cell(values)
            cells.setdefault(run_identity(cell.config), cell)
    return Experiment(name, experiment["title"], tuple(cells.values()))


def runs_of(experiments: Iterable[Experiment]) -> dict[str, tuple[RunConfig, list[str]]]:
    """Every run that the experiments need, once: name -> (configuration, the experiments that need it)."""
    runs: dict[str, tuple[RunConfig, list[str]]] = {}
    for experiment in experiments:
        for cell in experiment.cells:
            _, needed_by = runs.setdefault(run_name(cell.run), (cell.run, []))
            if experiment.name not in needed_by:
                needed_by.append(experiment.name)
    return runs
