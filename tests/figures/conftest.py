"""Hand-made records: the figures' tests and previews need stores with known content, not trained ones."""

import numpy as np
import numpy.typing as npt

from scalefree.config import RunConfig
from scalefree.records import Outcome, Record, Store, run_identity, run_name, scientific_config

EXPONENTS = np.arange(-27, 4)


def bump(center: float, width: float, underflow: float, total: int = 100_000) -> npt.NDArray[np.int64]:
    """Counts of an update-scale histogram: `underflow` share of the mass apart, the rest a Gaussian over exponents."""
    interior = np.exp(-0.5 * ((EXPONENTS - center) / width) ** 2)
    interior *= (1 - underflow) / interior.sum()
    return np.rint(np.concatenate([[underflow], interior, [0, 0]]) * total).astype(np.int64)


def write_record(
    store: Store,
    run: RunConfig,
    error: float | None,
    counts: npt.NDArray[np.int64] | None = None,
    epochs: int | None = None,
) -> Record:
    """A record of `run` with that final test error; None for a run that diverged after `epochs` epochs."""
    epochs = run.training.epochs if epochs is None else epochs
    final = 0.9 if error is None else error
    fall = np.exp(-5 * np.arange(epochs) / max(run.training.epochs - 1, 1))
    test_error = final + (0.9 - final) * (fall - np.exp(-5)) / (1 - np.exp(-5))
    curves = {"test_error": test_error, "train_loss": 0.5 * test_error + 2 * fall + 1e-3, "eta": np.ones(epochs)}
    validated = run.dataset.validation_fraction > 0
    if validated:
        curves["validation_error"] = test_error * 1.05
    completed = error is not None
    measured = [epochs] if completed else []
    rows = np.array([bump(-6, 4, 0.3) if counts is None else counts] * len(measured)).reshape(-1, len(EXPONENTS) + 3)
    record = Record(
        identity=run_identity(run),
        name=run_name(run),
        config=scientific_config(run),
        outcome=Outcome("completed", 1000) if completed else Outcome("diverged", 17, "training loss nan"),
        environment={},
        fingerprints={},
        final_metrics={
            "final_test_error": error,
            **({"final_validation_error": None if error is None else 1.05 * error} if validated else {}),
        },
    )
    histograms = {"epoch": np.array(measured), "log2_lower_edge": EXPONENTS, "counts/network": rows}
    store.write(record, curves, histograms)
    return record
