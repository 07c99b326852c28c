"""Hand-made grids and records: the figures' tests need stores with known content, not trained ones."""

import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.compose import run_config
from scalefree.config import RunConfig, with_values
from scalefree.experiments import Cell, Experiment
from scalefree.figures import Evidence, gather
from scalefree.records import Outcome, Record, Store, run_identity, run_name, scientific_config

EXPONENTS = np.arange(-27, 4)
DIVERGED = "diverged"

# What a small grid shares; tests override and extend it.
SHARED = {
    "dataset": "digits",
    "model": "resnet",
    "model.depth": 8,
    "model.width": 8,
    "model.batch_norm": False,
    "training.epochs": 4,
    "optimizer": ["adaml2", "adamw"],
    "optimizer.lr": [1e-3],
    "optimizer.weight_decay": [0, 1e-3],
}


def experiment(name: str, grid: Mapping[str, Any]) -> Experiment:
    """All combinations of SHARED and `grid`; at lambda = 0 AdamW trains for all, as in real grids."""
    axes = {key: value if isinstance(value, list) else [value] for key, value in {**SHARED, **grid}.items()}
    cells = []
    for values in itertools.product(*axes.values()):
        config = run_config(dict(zip(axes, values, strict=True)))
        free = config.optimizer.weight_decay == 0
        run = with_values(config, {"optimizer.name": "adamw"}) if free else config
        cells.append(Cell(config, run, run_identity(run)))
    return Experiment(name, "Adam-l2 and others", tuple(cells))


def counts(shares: Mapping[int, float], underflow: float = 0.0, not_finite: float = 0.0) -> npt.NDArray[np.int64]:
    """Histogram counts of 1000 coordinates: shares by exponent, and those in the bins at the ends."""
    bins = [underflow, *(shares.get(int(k), 0.0) for k in EXPONENTS), 0.0, not_finite]
    return np.rint(1000 * np.array(bins)).astype(np.int64)


def write_record(
    store: Store,
    run: RunConfig,
    error: float | str,
    test_error: Sequence[float] | None = None,
    histogram: npt.NDArray[np.int64] | None = None,
    validation_error: float | None = None,
) -> Record:
    """A record of `run` with that final test error, or DIVERGED; `test_error` is its curve, constant if None."""
    completed = not isinstance(error, str)
    if test_error is None:
        test_error = [error] * run.training.epochs if not isinstance(error, str) else [0.9, 0.8]
    curve = np.array(test_error)
    curves = {"test_error": curve, "train_loss": 2 * curve + 0.01}
    fingerprints = {"train": "a" * 64, "test": "b" * 64}
    if run.dataset.validation_fraction:
        value = error if validation_error is None else validation_error
        curves["validation_error"] = np.full(len(curve), value if completed else 0.9)
        fingerprints["validation"] = "c" * 64
    final = {f"final_{name}": float(values[-1]) if completed else None for name, values in curves.items()}
    final["lowest_test_error"] = float(np.nanmin(curve)) if completed else None
    row = counts({-3: 0.6, -4: 0.1}, underflow=0.3) if histogram is None else histogram
    record = Record(
        identity=run_identity(run),
        name=run_name(run),
        config=scientific_config(run),
        outcome=Outcome("completed", 100) if completed else Outcome("diverged", 17, "training loss nan"),
        environment={},
        fingerprints=fingerprints,
        final_metrics=final,
        update_scale={"network": {}} if completed else {},
        timing={"wall_seconds": 60.0},
        parameters=int(row.sum()),
    )
    histograms = {
        "epoch": np.array([run.training.epochs] * completed, dtype=np.int64),
        "log2_lower_edge": EXPONENTS,
        "counts/network": np.array([row] * completed, dtype=np.int64).reshape(-1, len(EXPONENTS) + 3),
    }
    shutil.rmtree(store.directory(record.name), ignore_errors=True)  # no record takes another's place by itself
    store.write(record, curves, histograms)
    return record


def evidence(
    root: Path, name: str, grid: Mapping[str, Any], error: Callable[[RunConfig], float | str | None]
) -> Evidence:
    """A grid whose runs have the errors that `error` gives; None leaves a run out of the store."""
    store = Store(root)
    made = experiment(name, grid)
    for cell in {cell.identity: cell for cell in made.cells}.values():
        found = error(cell.run)
        if found is not None:
            write_record(store, cell.run, found)
    return gather(made, "hand-made", store, store.records())
