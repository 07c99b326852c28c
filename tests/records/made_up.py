"""A record that no training made."""

import dataclasses
from typing import Any

import numpy as np

from scalefree.config import RunConfig
from scalefree.records import Outcome, Record, run_identity, run_name, scientific_config

CURVES = {"train_loss": np.array([2.5, 0.1 + 0.2]), "training_seconds": np.array([1.0, 1.5])}
HISTOGRAMS = {"epoch": np.array([1, 2]), "counts/network": np.arange(6).reshape(2, 3)}


def record(config: RunConfig | None = None, test_error: float | None = 0.125, **changes: Any) -> Record:
    """A completed run of `config`, or whatever `changes` make of it."""
    config = config or RunConfig()
    made = Record(
        identity=run_identity(config),
        name=run_name(config),
        config=scientific_config(config),
        outcome=Outcome("completed", 24),
        environment={"python": "3.13.0", "commit": None},
        fingerprints={"train": "ab", "test": "cd"},
        final_metrics={"final_test_error": test_error, "final_train_loss": 0.1 + 0.2},
        update_scale={"network": {"iqr": 1.5}},
        timing={"wall_seconds": 2.5},
        parameters=1234,
    )
    return dataclasses.replace(made, **changes)
