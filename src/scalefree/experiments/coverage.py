"""How much of a profile's grids is in the store, and how long the rest will take."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from scalefree.experiments.cost import Pace, load
from scalefree.experiments.grid import Experiment, runs_of
from scalefree.records import Record, Store

# The state of a run in the store: `partial` means a checkpoint but no result, `failed` neither.
State = Literal["completed", "diverged", "partial", "failed", "missing"]


def state_of(store: Store, name: str, record: Record | None) -> State:
    """The state of a run that has this record."""
    if record is not None and record.outcome.is_result:
        return record.outcome.status
    if store.checkpoint(name).exists():
        return "partial"
    return "missing" if record is None else "failed"


@dataclass(frozen=True)
class Coverage:
    """Number of runs of one experiment, or of several together, in each state; they sum to `total`.

    Attributes:
        partial: runs with a checkpoint but no result.
        failed: runs whose last attempt failed; they will be tried again.
        seconds_left: training time of the runs without a result, one after another; None while the store has no
            completed run.
    """

    experiment: str
    total: int
    completed: int
    diverged: int
    partial: int
    failed: int
    missing: int
    seconds_left: float | None


def coverage(
    experiments: Iterable[Experiment], store: Store, records: Mapping[str, Record], pace: Pace
) -> list[Coverage]:
    """Count the runs that each experiment needs by their state in the store."""
    by_name = {record.name: record for record in records.values()}
    return [_coverage(experiment.name, [experiment], store, by_name, pace) for experiment in experiments]


def coverage_together(
    experiments: Sequence[Experiment], store: Store, records: Mapping[str, Record], pace: Pace
) -> Coverage:
    """The coverage of all experiments together, in which shared runs count once."""
    by_name = {record.name: record for record in records.values()}
    return _coverage("all together", experiments, store, by_name, pace)


def _coverage(
    title: str, experiments: Sequence[Experiment], store: Store, by_name: Mapping[str, Record], pace: Pace
) -> Coverage:
    states: dict[str, int] = dict.fromkeys(get_args(State), 0)
    left: list[float | None] = []
    for name, (config, _) in runs_of(experiments).items():
        state = state_of(store, name, by_name.get(name))
        states[state] += 1
        if state not in ("completed", "diverged"):
            left.append(pace.seconds(load(config)))
    known = [seconds for seconds in left if seconds is not None]
    return Coverage(
        experiment=title,
        total=sum(states.values()),
        seconds_left=math.fsum(known) if len(known) == len(left) else None,
        **states,
    )
