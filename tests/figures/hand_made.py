"""Made-up evidence: a function of the configuration decides how each run of a profile turns out."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from experiments.made import CELLS, Loaded, blank, outcome
from experiments.made import record as bare
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.experiments import Cell, Point, Result, with_records
from scalefree.experiments.arms import arm_of, network_of
from scalefree.experiments.choosing import choose
from scalefree.experiments.evidence import Evidence
from scalefree.experiments.results import settings
from scalefree.records import Record, Store, run_identity

Arrays = dict[str, npt.NDArray[Any]]
# Interior bins as in records of this version.
SIZES, RATES = np.arange(-27, 4), np.arange(-80, 41)
PARAMETERS = 100_000
SPLITS = ("train", "validation", "test")
DIVERGED = -1.0
GROUPS = ("stem", "stage1", "stage2", "stage3", "head")


@dataclass(frozen=True)
class Made:
    """How a run turned out.

    Attributes:
        error: final test error in points; None for a diverged run.
        validation: the same for the held-out images; None for the test error.
        scale: mean and standard deviation of log2 update scale.
        decay: the same for log2 of the effective decay over lambda eta; None if it was not measured.
        still: share of coordinates that do not move.
        drowned: drown-out share of the whole network at the last measurement.
    """

    error: float | None
    validation: float | None = None
    scale: tuple[float, float] = (-4.0, 2.0)
    decay: tuple[float, float] | None = (0.0, 0.0)
    still: float = 0.25
    drowned: float = 0.1


# None: the run is missing.
Model = Callable[[RunConfig], Made | None]


def chance(*of: object) -> float:
    """A number in (-0.5, 0.5) that looks random and depends only on the arguments."""
    return int.from_bytes(hashlib.sha256(repr(of).encode()).digest()[:6]) / 2**48 - 0.5


def bell(*of: object) -> float:
    """A nearly standard normal number, by the same rule."""
    return sum(chance(k, *of) for k in range(12))


def counted(
    exponents: npt.NDArray[np.int64], mean: float, deviation: float, underflow: float = 0.0
) -> npt.NDArray[np.int64]:
    """Counts of PARAMETERS log2-normal coordinates: underflow, one bin per exponent, overflow, not finite."""
    edges = np.append(exponents, exponents[-1] + 1).astype(float)
    below = ndtr((edges - mean) / deviation) if deviation else (edges > mean).astype(float)
    shares = (1 - underflow) * np.diff(below)
    counts = np.rint(PARAMETERS * np.array([underflow + (1 - underflow) * below[0], *shares, 0.0, 0.0])).astype(int)
    counts[np.argmax(counts)] += PARAMETERS - counts.sum()
    return counts


def _scalars(exponents: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], deviation: float) -> dict[str, float]:
    shares = counts / counts.sum()
    inside = shares[1:-2] / shares[1:-2].sum()
    known = inside[inside > 0]
    return {
        "iqr": 1.349 * deviation,
        "peak_share": float(np.sort(shares[1:-2])[-4:].sum()),
        "entropy": float(max(0.0, -(known * np.log2(known)).sum())),
    }


def record(blank: Record, config: RunConfig, made: Made) -> Record:
    """A blank record, filled in with how the run ended."""
    error, validation = (None if value is None else value / 100 for value in (made.error, made.validation))
    parts = outcome(config, error, validation)
    arrays = curves(config, made)
    final = {
        name: None if math.isnan(float(arrays[name.removeprefix("final_")][-1])) or error is None else value
        for name, value in parts["final_metrics"].items()
    }
    for name in ("augmented_train_loss", "train_loss"):
        final[f"final_{name}"] = float(arrays[name][-1]) if error is not None else None
    final["lowest_test_error"] = float(np.nanmin(arrays["test_error"])) if error is not None else None
    held_out = config.dataset.validation_fraction > 0
    measured: dict[str, Any] = {}
    if error is not None:
        counts = histograms(config, made)["counts/network"][-1]
        measured["update_scale"] = {"network": _scalars(SIZES, counts, made.scale[1])}
        if config.optimizer.weight_decay > 0 and made.decay is not None:
            measured["effective_decay"] = {"network": {"iqr": 1.349 * made.decay[1]}}
    return dataclasses.replace(
        blank,
        **{**parts, "final_metrics": final},
        **measured,
        fingerprints={name: "ab" * 32 for name in SPLITS if name != "validation" or held_out},
        timing={"wall_seconds": 60.0},
        parameters=PARAMETERS,
    )


def curves(config: RunConfig, made: Made) -> Arrays:
    """Errors that fall from 90 % to the final one, at each evaluation; a quarter of the curve if the run diverged."""
    epochs = config.training.epochs
    end = 0.9 if made.error is None else made.error / 100
    along = np.linspace(0, 1, epochs) if epochs > 1 else np.ones(1)
    error = 0.9 + (end - 0.9) * np.sqrt(along)
    error[-1] = end
    every = config.training.evaluate_every
    error[[(epoch + 1) % every != 0 and epoch + 1 != epochs for epoch in range(epochs)]] = np.nan
    loss = 2.5 * error**1.5 + 1e-3
    found = {"test_error": error, "train_loss": loss, "augmented_train_loss": 1.1 * loss}
    if config.dataset.validation_fraction:
        validation = error.copy()
        validation[-1] = end if made.validation is None else made.validation / 100
        found["validation_error"] = validation
    if made.error is None:
        found = {name: curve[: max(1, epochs // 4)] for name, curve in found.items()}
    return found


def histograms(config: RunConfig, made: Made) -> Arrays:
    """Two measurements, the last as specified; none if the run diverged."""
    epochs = config.training.epochs
    measured = np.array([1, epochs] if made.error is not None else [], dtype=np.int64)
    scales = [counted(SIZES, made.scale[0] - 8, made.scale[1], made.still), counted(SIZES, *made.scale, made.still)]
    gradients = [counted(SIZES, -6.0, 3.0), counted(SIZES, -7.0, 3.0)]
    found: Arrays = {
        "epoch": measured,
        "step": 1 + 36 * (measured - 1),
        "log2_lower_edge": SIZES,
        "counts/network": np.array(scales[: len(measured)], dtype=np.int64).reshape(-1, len(SIZES) + 3),
        "gradient_counts/network": np.array(gradients[: len(measured)], dtype=np.int64).reshape(-1, len(SIZES) + 3),
    }
    if config.optimizer.weight_decay > 0 and made.decay is not None:
        rates = [counted(RATES, *made.decay)] * len(measured)
        found["effective_decay_log2_lower_edge"] = RATES
        found["effective_decay_counts/network"] = np.array(rates, dtype=np.int64).reshape(-1, len(RATES) + 3)
        for place, group in enumerate(("network", *GROUPS)):
            share = min(1.0, made.drowned * (1 + 0.3 * (place - 2) * (group != "network")))
            found[f"drown_out_share/{group}"] = np.array([0.2 * share, share][: len(measured)])
    return found


class MadeStore(Store):
    """Has the arrays of every run according to the model, and nothing on disk."""

    def __init__(self, made: Mapping[str, tuple[RunConfig, Made]]) -> None:
        super().__init__("no-such-folder")
        self.made = made

    def curves(self, record: Record) -> Arrays:
        return curves(*self.made[record.identity])

    def histograms(self, record: Record) -> Arrays:
        return histograms(*self.made[record.identity])


def evidence(loaded: Loaded, model: Model) -> Evidence:
    """What a profile would have if every run turned out as the model says."""
    records: dict[str, Record] = {}
    made: dict[str, tuple[RunConfig, Made]] = {}
    for experiment in loaded.experiments.values():
        for cell in experiment.cells:
            if cell.identity not in records and (of := model(cell.run)) is not None:
                records[cell.identity] = record(blank(cell), cell.run, of)
                made[cell.identity] = (cell.run, of)
    results = {name: with_records(experiment, records) for name, experiment in loaded.experiments.items()}
    waiting = {name: experiment.waiting for name, experiment in loaded.experiments.items()}
    itself = not loaded.frozen.cells and not results["selection"]
    own = {run_identity(of.config): of for some in results.values() for of in some} if itself else {}
    frozen = choose(settings(own.values())) if itself else loaded.frozen
    return Evidence(loaded.profile, results, MadeStore(made), frozen, itself, waiting)


def fill(root: Path, loaded: Loaded, model: Model) -> Store:
    """Writes the same evidence to disk."""
    store, found = Store(root), evidence(loaded, model)
    assert isinstance(found.store, MadeStore)
    records = {r.record.identity: r.record for of in found.results.values() for r in of if r.record is not None}
    for identity, (config, made) in found.store.made.items():
        store.write(records[identity], curves(config, made), histograms(config, made))
    return store


# By method: its error in a shallow network and what depth adds, in points, and the spreads of its update scales
# and of its effective decay.
_WORLD = {
    "adamw": (3.5, 12.0, 5.0, 0.0),
    "adamprox": (3.4, 12.3, 5.0, 0.0),
    "adam_scaled_l2": (3.6, 11.0, 5.5, 0.6),
    "adam_scaled_l2_by_layer": (4.0, 36.0, 6.0, 3.0),
    "adam_scaled_l2_by_network": (4.3, 41.0, 6.0, 4.0),
    "adam_metric_prox": (4.2, 43.0, 3.0, 4.5),
    "adaml2": (4.5, 41.0, 3.0, 5.0),
}


def world(config: RunConfig) -> Made:
    """Resembles the digits: methods differ in deep networks without BatchNorm, where some seeds collapse.

    Errors grow away from the cells that `experiments.made` freezes; the largest step size diverges in the deepest one.
    """
    arm, network = arm_of(config), network_of(config)
    shallow, growth, scale, decay = _WORLD[arm.method]
    depth, seed, key = network.depth, config.seed, repr((config.optimizer, arm, network, config.seed))
    deep = min(1.0, max(0.0, math.log2(depth / 20) / 2)) ** 2
    if network.batch_norm or network.initialization != "kaiming":
        shallow, growth = 2.5, 1.0 if arm.method == "adamw" else 0.6
    if config.dataset.name == "cifar10":
        shallow, growth = shallow + 30, 0.3 * growth
    if arm.eps > 1e-6:
        growth += 17
    if arm.gradient_unbalance and arm.method == "adaml2":
        growth += 9
    error = shallow + growth * deep
    at = config.optimizer
    lr, decay_there = CELLS[arm.method]
    away = abs(math.log10(at.lr / lr)) + 0.5 * abs(math.log10(max(at.weight_decay, 1e-7) / decay_there))
    away *= arm.loss_multiplier == 1
    error += (1.5 + 9 * deep) * away**1.5
    error += (0.5 + 2.5 * deep) * bell("seed", seed, depth) + (0.4 + 4 * deep) * bell("run", key)
    if deep > 0.9 and growth > 30 and chance("lucky", seed, arm.method) < -0.35:
        error -= 25
    if at.lr > 5e-3 and deep > 0.9 and arm.method in ("adaml2", "adam_metric_prox"):
        return Made(None)
    error = min(max(error, 0.8), 90.0)
    return Made(
        error,
        validation=max(0.5, error + 0.8 * bell("validation", key)),
        scale=(-4.0 - 5 * deep * (scale > 4), 1.0 + scale * (0.3 + 0.5 * deep) + 0.2 * bell("scale", seed, arm)),
        decay=(-decay, decay * (1 + 0.05 * bell("decay", seed, arm))),
        drowned=min(0.9, 0.04 + 0.1 * decay * (1 + 0.2 * chance(seed, arm.method))),
    )


def point(errors: Mapping[int, float | None], **values: Any) -> tuple[Point, MadeStore]:
    """A cell with these errors by seed, in points (DIVERGED, or None for a missing run), and its store."""
    shared = {"dataset": "digits", "model": "resnet", "model.depth": 8, "training.epochs": 4, "optimizer": "adamw"}
    results, made = [], {}
    for seed, error in errors.items():
        config = run_config({**shared, **values, "seed": seed})
        of = None if error is None else Made(None if error == DIVERGED else error)
        found = None if of is None else record(bare(config, None), config, of)
        results.append(Result(Cell(config, config, run_identity(config)), found))
        if of is not None:
            made[run_identity(config)] = (config, of)
    return Point(tuple(results)), MadeStore(made)
