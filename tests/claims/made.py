"""Hand-made records: claims are tested on stores with known content, not on trained runs."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scalefree.claims import Evidence
from scalefree.config import RunConfig, with_values
from scalefree.experiments import experiment_names, load_experiment, runs_of, with_records
from scalefree.records import Outcome, Record, Store, run_identity, run_name, scientific_config

EXPONENTS = np.arange(-27, 4)
# What every error of seed 1 has more than those of seed 0: common to one seed's runs, so pairing takes it out.
OF_SEED = 0.002


class Made(NamedTuple):
    """A run's outcome; error None is a diverged run. `center` is the bin in which all its update scales lie."""

    error: float | None
    spread: float = 4.0
    validation: float | None = None
    center: int = -3


Model = Callable[[RunConfig], Made | None]


def record(config: RunConfig, made: Made) -> Record:
    """The record of such a run."""
    completed = made.error is not None
    metrics: dict[str, float | None] = {"final_test_error": made.error, "lowest_test_error": made.error}
    fingerprints = {"train": "a" * 64, "test": "b" * 64}
    if config.dataset.validation_fraction:
        metrics["final_validation_error"] = made.error if made.validation is None else made.validation
        fingerprints["validation"] = "c" * 64
    return Record(
        identity=run_identity(config),
        name=run_name(config),
        config=scientific_config(config),
        outcome=Outcome("completed", 1230) if completed else Outcome("diverged", 17, "training loss nan"),
        environment={},
        fingerprints=fingerprints,
        final_metrics=metrics,
        update_scale={"network": {"iqr": made.spread, "std": 1.5 * made.spread}},
        timing={"wall_seconds": 60.0},
        parameters=1000,
    )


def counts(center: int) -> npt.NDArray[np.int64]:
    """A histogram of 1,000 coordinates: 300 that do not move, the others in one bin."""
    row = np.zeros(len(EXPONENTS) + 3, dtype=np.int64)
    row[0], row[1 + center - EXPONENTS[0]] = 300, 700
    return row


def evidence(profile: str, model: Model, *experiments: str) -> Evidence:
    """What the experiments (all if none is named) would have if every run came out as the model says; None: missing."""
    results = {}
    for name in experiments or experiment_names():
        experiment = load_experiment(name, profile)
        records = {}
        for cell in experiment.cells:
            made = model(cell.run)
            if made is not None:
                records[cell.identity] = record(cell.run, made)
        results[name] = with_records(experiment, records)
    return Evidence(profile, results, Store("no-such-directory"))


def written(root: Path, profile: str, model: Model, *experiments: str) -> Store:
    """The same as a store on disk, with histograms."""
    store = Store(root)
    loaded = [load_experiment(name, profile) for name in experiments or experiment_names()]
    for config, _ in runs_of(loaded).values():
        made = model(config)
        if made is not None:
            done = record(config, made)
            row = counts(made.center).reshape(1, -1)
            epochs = config.training.epochs
            histograms = {"epoch": np.array([epochs]), "log2_lower_edge": EXPONENTS, "counts/network": row}
            ends = {name: done.final_metrics.get(f"final_{name}") for name in ("test_error", "validation_error")}
            curves = {name: np.full(epochs, end) for name, end in ends.items() if end is not None}
            store.write(done, curves, histograms)
    return store


# AdamW's gain over Adam-l2 without BatchNorm by depth, at the depths of all profiles.
GAIN = {20: 0.002, 38: 0.03, 44: 0.02, 56: 0.05, 80: 0.12, 100: 0.07, 110: 0.09, 218: 0.15}


def as_the_paper_says(config: RunConfig) -> Made:
    """Runs in which every claim holds; of the open questions, eps and initialisation remove the gap."""
    model, optimizer, depth = config.model, config.optimizer.name, config.model.depth
    seed = OF_SEED * config.seed
    if model.batch_norm:
        return Made(0.05 + seed)
    if getattr(model, "initialization", "kaiming") != "kaiming":
        return Made(0.06 + seed)
    free = config.optimizer.weight_decay == 0
    like_adamw = optimizer in ("adamw", "adamprox") and not free and config.optimizer.eps <= 1e-8
    error = 0.30 + seed + (0.01 if free else 0.0)
    moved = config.training.loss_multiplier != 1 and not free and not like_adamw
    if like_adamw:
        return Made(error - GAIN[depth], spread=3.0)
    return Made(error + 0.06 * moved, spread=3.0 + 10 * GAIN[depth], center=-8 if moved else -5)


def swapped(model: Model) -> Model:
    """AdamW's outcomes are Adam-l2's and the other way round; without decay they are the same run and stay."""
    names = {"adaml2": "adamw", "adamw": "adaml2"}

    def other(config: RunConfig) -> Made | None:
        name = config.optimizer.name
        if config.optimizer.weight_decay == 0:
            return model(config)
        return model(with_values(config, {"optimizer.name": names.get(name, name)}))

    return other


def noisy(model: Model, size: float) -> Model:
    """AdamW's runs with a decay are off by up to `size`: up with one seed, down with the next, the more the deeper."""

    def other(config: RunConfig) -> Made | None:
        made = model(config)
        if made is None or made.error is None or config.optimizer.name != "adamw" or not config.optimizer.weight_decay:
            return made
        shift = size * (-1) ** config.seed * config.model.depth / max(GAIN)
        return made._replace(error=made.error + shift, spread=made.spread + 100 * shift)

    return other


def without(model: Model, missing: Callable[[RunConfig], bool]) -> Model:
    """Some runs are not there."""
    return lambda config: None if missing(config) else model(config)
