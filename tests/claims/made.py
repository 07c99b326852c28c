"""Stores with known content: a function of the configuration decides how each run turns out."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from experiments.made import Loaded, blank, outcome
from scalefree.claims import planned
from scalefree.claims.verdict import Verdict
from scalefree.config import RunConfig
from scalefree.experiments import with_records
from scalefree.experiments.arms import arm_of, network_of
from scalefree.experiments.choosing import choose
from scalefree.experiments.evidence import Evidence
from scalefree.experiments.results import settings
from scalefree.records import Record, Store, run_identity


@dataclass(frozen=True)
class Made:
    """A run's outcome: error in points, None for a diverged run.

    Attributes:
        decay_spread: interquartile range of log2 effective decay.
        gradients: bins of the first and of the last gradients' median; None: no gradients were measured.
        largest: bin of the largest weight in the last histogram; None: no weights were measured.
        bins: how many there are: 131 up to 2^100, in older records 34 up to 2^3; the last two count larger values and
            values that are not finite.
    """

    error: float | None
    validation: float | None = None
    spread: float | None = 4.0
    peak: float = 0.3
    decay_spread: float = 2.0
    gradients: tuple[int, int] | None = (15, 15)
    bins: int = 131
    largest: int | None = None


Model = Callable[[RunConfig], Made | None]


def is_exploratory(number: str) -> bool:
    """Whether docs/analysis_plan.md lists the claim as thought of after records had been seen."""
    return number.partition("-")[0] in ("15", "16", "17")


def chance(*of: object) -> float:
    """A number in (-0.5, 0.5) that looks random and depends only on the arguments."""
    digest = hashlib.sha256(repr(of).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48 - 0.5


def seed_shift(config: RunConfig) -> float:
    """A shift shared by all runs of a network and seed, which pairing removes."""
    return 10 * chance("seed", config.seed, config.model.depth)


def alike(config: RunConfig) -> Made:
    """No method differs from another by more than a hundredth of a point."""
    return Made(40 + seed_shift(config) + 0.01 * chance(config))


def as_record(blank: Record, config: RunConfig, made: Made) -> Record:
    more: dict[str, Any] = {}
    if made.spread is not None and made.error is not None:
        more["update_scale"] = {"network": {"iqr": made.spread, "peak_share": made.peak}}
        if config.optimizer.weight_decay > 0:
            more["effective_decay"] = {"network": {"iqr": made.decay_spread}}
    error, validation = (None if value is None else value / 100 for value in (made.error, made.validation))
    return dataclasses.replace(blank, **outcome(config, error, validation), **more)


class MadeStore(Store):
    """Has histograms alone, filled as the model says."""

    def __init__(self, model: Model, configs: dict[str, RunConfig]) -> None:
        super().__init__("no-such-folder")
        self.model, self.configs = model, configs

    def histograms(self, record: Record) -> dict[str, npt.NDArray[Any]]:
        made = self.model(self.configs[record.identity])
        if made is None or made.gradients is None:
            return {}
        counts = np.zeros((3, made.bins), dtype=np.int64)
        for row, place in zip(counts, (made.gradients[0], 7, made.gradients[1]), strict=True):
            # The median of the finite values lies in `place`.
            row[0] += 30
            row[place] += 41
            row[-1] += 60
        edges = np.arange(-27, made.bins - 30)
        weights = {}
        if made.largest is not None:
            # The first histogram has larger weights, which do not count.
            weights["parameter_counts/network"] = np.eye(34, dtype=np.int64)[[32, 5, made.largest]]
            weights["parameter_counts/network"][2, :3] = 7
            weights["log2_lower_edge"] = np.arange(-27, 4)
        return {
            **weights,
            "gradient_log2_lower_edge": edges,
            "gradient_counts/network": counts,
            "step": np.array([1, 100, 1117]),
        }


def evidence(loaded: Loaded, model: Model) -> Evidence:
    """What a profile would have if every confirmation run came out as the model says; None: the run is missing."""
    records, configs = {}, {}
    results = {}
    for name, experiment in loaded.experiments.items():
        for cell in experiment.cells if name != "selection" else ():
            if cell.identity not in records and (made := model(cell.run)) is not None:
                records[cell.identity] = as_record(blank(cell), cell.run, made)
                configs[cell.identity] = cell.run
        results[name] = with_records(experiment, records)
    waiting = {name: experiment.waiting for name, experiment in loaded.experiments.items()}
    itself = not loaded.frozen.cells and not results["selection"]
    own = {run_identity(of.config): of for some in results.values() for of in some} if itself else {}
    frozen = choose(settings(own.values())) if itself else loaded.frozen
    return Evidence(loaded.profile, results, MadeStore(model, configs), frozen, itself, waiting)


def judged(loaded: Loaded, model: Model, *numbers: str) -> dict[str, Verdict]:
    """Verdicts by place, such as `4b-resnet80w8-nobn`: of the claims named, or of all."""
    with pytest.MonkeyPatch.context() as patch:
        if numbers:
            patch.setattr(planned, "CLAIMS", [of for of in planned.CLAIMS if of.question.number in numbers])
        return {verdict.place: verdict for verdict in planned.judge(evidence(loaded, model))}


@dataclass(frozen=True)
class Runs:
    """Some runs of a profile, by network and by what is unusual about them.

    Attributes:
        decay: the runs' own, or None for any.
    """

    network: str
    method: str
    decay: float | None = None
    eps: float = 1e-8
    loss_multiplier: float = 1.0
    gradient_unbalance: float = 0.0
    decay_unbalance: float = 0.0
    schedule: str = "constant"
    replica: int = 0

    def has(self, config: RunConfig) -> bool:
        arm = arm_of(config)
        return (
            network_of(config).label == f"resnet{self.network}"
            and all(getattr(arm, name) == getattr(self, name) for name in vars(arm))
            and self.decay in (None, config.optimizer.weight_decay)
        )


def shifted(model: Model, runs: Runs, by: Callable[[int], float], field: str = "error") -> Model:
    """The same model, with one field of some runs changed by a function of the seed."""

    def other(config: RunConfig) -> Made | None:
        made = model(config)
        if made is None or not runs.has(config):
            return made
        return Made(**{**vars(made), field: getattr(made, field) + by(config.seed)})

    return other


def scattered(mean: float, size: float, seeds: int) -> Callable[[int], float]:
    """Values of seeds 0, 1, ... with exactly this mean and this standard deviation."""
    z = np.array([chance("scatter", seed) for seed in range(seeds)])
    z = (z - z.mean()) / z.std(ddof=1)
    return lambda seed: float(mean + size * z[seed])


def write_record(store: Store, record: Record) -> None:
    """Writes a completed run with the minimum that a store accepts."""
    splits = {split: "ab" * 32 for split in ("train", "validation", "test")}
    more: dict[str, Any] = {"timing": {"wall_seconds": 60.0}, "parameters": 1000, "update_scale": {"network": {}}}
    epochs = record.config["training"]["epochs"]
    ends = {name.removeprefix("final_"): end for name, end in record.final_metrics.items()}
    more["final_metrics"] = {**record.final_metrics, "lowest_test_error": ends["test_error"]}
    counts = np.zeros((1, 34), dtype=np.int64)
    counts[0, 20] = more["parameters"]
    store.write(
        dataclasses.replace(record, fingerprints=splits, **more),
        {name: np.linspace(0.9, end, epochs) for name, end in ends.items() if end is not None},
        {"epoch": np.array([epochs]), "log2_lower_edge": np.arange(-27, 4), "counts/network": counts},
    )
