"""A made-up record that is valid in every entry, and ways to make it invalid."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.config import RunConfig, with_values
from scalefree.records import Outcome, Record, Store, run_identity, run_name, scientific_config

Arrays = Mapping[str, npt.NDArray[Any]]

FINGERPRINTS = {"train": "ab" * 32, "test": "cd" * 32}
PARAMETERS = 1234
EXPONENTS = np.arange(-27, 4)
EPOCHS = 2


def counts(*bins: int) -> npt.NDArray[np.int64]:
    """One row per given bin, with all coordinates in that bin, out of 34 of which the first is underflow."""
    rows = np.zeros((len(bins), len(EXPONENTS) + 3), dtype=np.int64)
    rows[np.arange(len(bins)), list(bins)] = PARAMETERS
    return rows


CURVES: Arrays = {
    "train_loss": np.array([2.5, 0.1 + 0.2]),
    "test_error": np.array([np.nan, 0.125]),
    "training_seconds": np.array([1.0, 1.5]),
}
HISTOGRAMS: Arrays = {"epoch": np.array([1, 2]), "log2_lower_edge": EXPONENTS, "counts/network": counts(20, 21)}
# For a run that ended before anything was measured.
NO_HISTOGRAMS: Arrays = {"epoch": np.array([], dtype=np.int64), "log2_lower_edge": EXPONENTS}


def record(config: RunConfig | None = None, test_error: float | None = 0.125, **changes: Any) -> Record:
    """A completed run of `config` over EPOCHS epochs, with `changes`."""
    config = with_values(config or RunConfig(), {"training.epochs": EPOCHS})
    validation = {"validation": "ef" * 32} if config.dataset.validation_fraction else {}
    final = {
        "final_test_error": test_error,
        "final_train_loss": None if test_error is None else 0.1 + 0.2,
        "lowest_test_error": test_error,
    }
    made = Record(
        identity=run_identity(config),
        name=run_name(config),
        config=scientific_config(config),
        outcome=Outcome("completed", 24),
        environment={"python": "3.13.0", "commit": None},
        fingerprints={**FINGERPRINTS, **validation},
        final_metrics=final,
        update_scale={"network": {"iqr": 1.5}},
        timing={"wall_seconds": 2.5, "images_per_second": 100.0},
        parameters=PARAMETERS,
    )
    return dataclasses.replace(made, **changes)


def diverged(config: RunConfig | None = None, **changes: Any) -> Record:
    """A run that diverged in its first epoch; CURVES and HISTOGRAMS are not its own."""
    outcome = Outcome("diverged", 17, "training loss nan")
    return record(config, None, **{"outcome": outcome, "update_scale": {}, **changes})


def put(store: Store, made: Record, curves: Arrays, histograms: Arrays) -> Path:
    """Writes a record as it is, even if it is invalid; returns its directory."""
    directory = store.directory(made.name)
    directory.mkdir(parents=True, exist_ok=True)
    for stem, arrays in (("curves", curves), ("histograms", histograms)):
        named: dict[str, Any] = dict(arrays)
        np.savez_compressed(directory / f"{stem}.npz", **named)
    (directory / "record.json").write_text(json.dumps(made.document()))
    return directory
