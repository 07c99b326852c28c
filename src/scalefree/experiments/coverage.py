"""How much of a profile's grids the store holds, and how long the rest will take."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scalefree.config import RunConfig
from scalefree.experiments.grid import Experiment, runs_of
from scalefree.records import Record, Store, scientific_config


@dataclass(frozen=True)
class Coverage:
    """Runs of one experiment by state; they sum to `total`.

    Attributes:
        partial: runs with a checkpoint and no result.
        failed: runs whose last attempt failed; the next one tries again.
        seconds_left: of training for the runs without a result, one after another; None where no record tells.
    """

    experiment: str
    total: int
    completed: int
    diverged: int
    partial: int
    failed: int
    missing: int
    seconds_left: float | None


Kind = tuple[object, ...]


def _kind(values: Mapping[str, Any]) -> Kind:
    """What decides the pace of a run, from its scientific configuration: images, model and batch size."""
    dataset = values["dataset"]
    model = sorted(values["model"].items())
    return (dataset["name"], dataset["per_class"], dataset["resolution"], *model, values["training"]["batch_size"])


def seconds_per_epoch(records: Iterable[Record]) -> dict[Kind, float]:
    """Median seconds per epoch by kind of run, evaluation included, from what was trained."""
    measured: dict[Kind, list[float]] = {}
    for record in records:
        if record.outcome.status == "completed":
            seconds = record.timing["wall_seconds"] / record.config["training"]["epochs"]
            measured.setdefault(_kind(record.config), []).append(seconds)
    return {kind: statistics.median(values) for kind, values in measured.items()}


def coverage(experiment: Experiment, store: Store, records: Mapping[str, Record]) -> Coverage:
    """Count the runs that an experiment needs by what the store has of them."""
    pace = seconds_per_epoch(records.values())
    by_name = {record.name: record for record in records.values()}
    states = dict.fromkeys(("completed", "diverged", "partial", "failed", "missing"), 0)
    left: list[float] = []
    for name, (config, _) in runs_of([experiment]).items():
        record = by_name.get(name)
        if record is not None and record.outcome.is_result:
            states[record.outcome.status] += 1
            continue
        if (store.directory(name) / "checkpoint.pt").exists():
            states["partial"] += 1
        else:
            states["missing" if record is None else "failed"] += 1
        left.append(_expected_seconds(config, pace))
    seconds = math.fsum(left)
    return Coverage(
        experiment=experiment.name,
        total=sum(states.values()),
        seconds_left=None if math.isnan(seconds) else seconds,
        **states,
    )


def _expected_seconds(config: RunConfig, pace: Mapping[Kind, float]) -> float:
    return pace.get(_kind(scientific_config(config)), math.nan) * config.training.epochs
