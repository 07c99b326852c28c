"""Hand-made frozen cells and records, on which choosing and judging are tested."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scalefree.config import RunConfig
from scalefree.experiments import Cell as Place
from scalefree.experiments import Experiment, experiment_names, load_experiment
from scalefree.experiments.frozen import DECAYED, NO_DECAY, Cell, Frozen, as_yaml
from scalefree.optimizers import TRAINS_ADAM
from scalefree.records import Outcome, Record, run_identity, run_name, scientific_config

# Step size and decay by method, all different, so that no cell can be mistaken for another method's.
CELLS = {
    "adamw": (2e-3, 1e-3),
    "adamprox": (4e-3, 2e-3),
    "adam_scaled_l2": (2e-3, 3e-3),
    "adam_scaled_l2_by_layer": (1e-3, 1e-5),
    "adam_scaled_l2_by_network": (1e-3, 1e-6),
    "adam_metric_prox": (2e-3, 3e-4),
    "adaml2": (1e-3, 3e-4),
}
# And the cell without a decay, which they share.
WITHOUT = (4e-3, 0.0)
NETWORKS = {
    "digits": ("20w8-nobn", "38w8-nobn", "80w8-nobn", "38w8-bn", "80w8-nobn-zero_last", "80w8-nobn-fixup"),
    "cifar16": ("20w8-nobn", "56w8-nobn", "110w8-nobn", "56w8-bn", "56w8-nobn-fixup"),
}
# The other parts of a record's name do not matter here.
CHOSEN_BY = "made-{network}-{rule}-lr{lr:g}-wd{decay:g}-seed100-0123456789ab"


def cell(lr: float, decay: float, network: str, rule: str) -> Cell:
    """A cell chosen by a record of the network and the rule."""
    return Cell(lr, decay, 0.25, (CHOSEN_BY.format(network=network, rule=rule, lr=lr, decay=decay),))


def cells_of(network: str, **others: tuple[float, float]) -> dict[str, Cell]:
    """A cell for every method in a network; `others` replace those of `CELLS`."""
    found = {NO_DECAY: cell(*WITHOUT, network, TRAINS_ADAM)}
    for method, (lr, decay) in {**CELLS, **others}.items():
        found[method] = cell(lr, decay, network, method)
        found[method + DECAYED] = cell(lr, decay or 1e-4, network, method)
    return found


def made_cells(profile: str, **others: tuple[float, float]) -> Frozen:
    """Such cells in every network of a profile."""
    networks = [f"resnet{kind}" for kind in NETWORKS[profile]]
    return Frozen({network: cells_of(network, **others) for network in networks}, 7, "ab" * 32)


@contextlib.contextmanager
def frozen(frozen: Frozen | str | None, folder: Path) -> Iterator[Path]:
    """Within the block every profile's file of frozen cells is this one (None: no file); yields its path."""
    path = folder / "frozen.yaml"
    if frozen is not None:
        path.write_text(frozen if isinstance(frozen, str) else as_yaml("made", frozen))
    load_experiment.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scalefree.experiments.frozen.frozen_path", lambda profile: path)
        yield path
    load_experiment.cache_clear()


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A profile with its frozen cells and all its experiments."""

    profile: str
    frozen: Frozen
    experiments: dict[str, Experiment]


# Loading the selection grid of digits takes seconds, and frozen cells do not change it.
selection = functools.cache(functools.partial(load_experiment, "selection"))


def load(profile: str, chosen: Frozen | None, folder: Path) -> Loaded:
    with frozen(chosen, folder):
        others = {name: load_experiment(name, profile) for name in experiment_names() if name != "selection"}
    experiments = {**others, "selection": selection(profile)}
    return Loaded(profile, chosen or Frozen({}, 0, ""), experiments)


_blank: dict[str, Record] = {}


def blank(cell: Place) -> Record:
    """The record of a cell's run without a result; cached, since making it is slow and copying is not."""
    if cell.identity not in _blank:
        _blank[cell.identity] = record(cell.run, None)
    return _blank[cell.identity]


def outcome(
    config: RunConfig, test: float | None, validation: float | None, status: str = "completed"
) -> dict[str, Any]:
    """The parts of a record that say how the run ended; a test error of None is a diverged run."""
    status = "diverged" if test is None and status == "completed" else status
    metrics = {"final_test_error": test if status == "completed" else None}
    if config.dataset.validation_fraction and status == "completed":
        metrics["final_validation_error"] = test if validation is None else validation
    ended = Outcome(status, 1152 if status == "completed" else 17)  # type: ignore[arg-type]
    return {"outcome": ended, "final_metrics": metrics}


def record(config: RunConfig, test: float | None, validation: float | None = None, status: str = "completed") -> Record:
    """A run's record; errors in [0, 1]."""
    return Record(
        identity=run_identity(config),
        name=run_name(config),
        config=scientific_config(config),
        environment={},
        fingerprints={},
        **outcome(config, test, validation, status),
    )
