"""Grids of runs by name and size, and the records that fill them."""

from scalefree.experiments.grid import (
    Cell,
    Experiment,
    experiment_names,
    load_experiment,
    profile_names,
    runs_of,
    with_dataset_root,
)
from scalefree.experiments.results import Point, Result, Setting, settings, with_records

__all__ = [
    "Cell",
    "Experiment",
    "Point",
    "Result",
    "Setting",
    "experiment_names",
    "load_experiment",
    "profile_names",
    "runs_of",
    "settings",
    "with_dataset_root",
    "with_records",
]
