"""How much of a profile's grids the store holds, and how long the rest will take."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scalefree.config import RunConfig
from scalefree.experiments.grid import Experiment, runs_of
from scalefree.records import Record, Store, model_label


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


def seconds_per_epoch(records: Iterable[Record]) -> dict[tuple[str, str, int], float]:
    """Median seconds an epoch by (data set, model, batch size), evaluation included, from what was trained."""
    measured: dict[tuple[str, str, int], list[float]] = {}
    for record in records:
        if record.outcome.status == "completed":
            config = record.config
            key = (config["dataset"]["name"], _label(record), config["training"]["batch_size"])
            measured.setdefault(key, []).append(record.timing["wall_seconds"] / config["training"]["epochs"])
    return {key: statistics.median(values) for key, values in measured.items()}


def _label(record: Record) -> str:
    """The model's part of the name; a name is `<dataset>-<model>-<optimizer>-...`, and only the model has a `bn`."""
    dataset = record.config["dataset"]["name"]
    return record.name.removeprefix(f"{dataset}-").partition(f"-{record.config['optimizer']['name']}-")[0]


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


def _expected_seconds(config: RunConfig, pace: Mapping[tuple[str, str, int], float]) -> float:
    key = (config.dataset.name, model_label(config), config.training.batch_size)
    return pace.get(key, math.nan) * config.training.epochs
