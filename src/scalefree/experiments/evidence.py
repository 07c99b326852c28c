"""Everything the store has for a profile: points by network, arm and cell, and the arrays to show.

Points come only from the confirmation experiments; the experiment `selection` has other seeds and only chooses cells.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy.typing as npt

from scalefree.config import RunConfig
from scalefree.experiments.arms import Arm, Network, arm_of, network_of
from scalefree.experiments.choosing import choose
from scalefree.experiments.frozen import DECAYED, NO_DECAY, Frozen, read_frozen
from scalefree.experiments.grid import SELECTION, Cell, Waiting, experiment_names, load_experiment
from scalefree.experiments.names import number
from scalefree.experiments.pairs import SeedValues
from scalefree.experiments.results import Point, Result, settings, with_records
from scalefree.optimizers import ADAM, look
from scalefree.records import Record, RecordError, Store, run_identity

log = logging.getLogger(__name__)


class Missing(LookupError):
    """Something that a comparison needs is not in the store; the message says what.

    Attributes:
        asked: whether the profile plans it.
    """

    def __init__(self, what: str, asked: bool = True) -> None:
        super().__init__(what)
        self.asked = asked


@dataclass(frozen=True)
class Evidence:
    """A profile's results by experiment, and its chosen cells.

    Attributes:
        frozen: each method's cell in each network.
        selects_itself: whether the seeds that chose the cells are also the ones compared, as in the profile quick.
        waiting: by experiment, the runs whose step size and decay are still to be chosen by the selection seeds.
    """

    profile: str
    results: Mapping[str, Sequence[Result]]
    store: Store
    frozen: Frozen
    selects_itself: bool
    waiting: Mapping[str, Sequence[Waiting]] = field(default_factory=dict)
    _points: dict[tuple[str, Arm, float, float], Point] = field(default_factory=dict)
    _planned: dict[tuple[str, Arm], tuple[Network, RunConfig]] = field(default_factory=dict)
    _planned_without_decay: set[tuple[str, Arm]] = field(default_factory=set)

    def __post_init__(self) -> None:
        found: dict[tuple[str, Arm, float, float], dict[int, Result]] = {}
        for name, results in self.results.items():
            if name == SELECTION:
                continue
            for result in results:
                chosen = result.config.optimizer
                key = (network_of(result.config).label, arm_of(result.config), chosen.lr, chosen.weight_decay)
                found.setdefault(key, {})[result.config.seed] = result
        for key, by_seed in found.items():
            self._points[key] = Point(tuple(by_seed[seed] for seed in sorted(by_seed)))
        waiting = [run for name, runs in self.waiting.items() if name != SELECTION for run in runs]
        configs = [*(point.results[0].config for point in self._points.values()), *(run.config for run in waiting)]
        for config in configs:
            network = network_of(config)
            self._planned.setdefault((network.label, arm_of(config)), (network, config))
        without = {network: (of[NO_DECAY].lr, 0.0) for network, of in self.frozen.cells.items() if NO_DECAY in of}
        self._planned_without_decay.update(
            (network, arm) for network, arm, *cell in self._points if without.get(network) == tuple(cell)
        )
        waits = [run for run in waiting if run.method == NO_DECAY]
        self._planned_without_decay.update((run.network, arm_of(run.config)) for run in waits)

    @property
    def networks(self) -> list[Network]:
        """Every network of the confirmation runs, from shallow to deep."""
        found = {network for network, _ in self._planned.values()}
        return sorted(found, key=lambda network: (network.depth, network.label))

    @property
    def confirms(self) -> bool:
        """Whether the profile has selection seeds and so follows docs/analysis_plan.md."""
        return bool(self.results.get(SELECTION))

    @property
    def tunes(self) -> bool:
        """Whether there was anything to choose: more than one step size and decay for a method in some network."""
        tried = Counter((network, arm) for network, arm, _, _ in self._points if arm.is_usual)
        return not self.selects_itself or any(cells > 1 for cells in tried.values())

    def networks_of(self, experiments: Iterable[str]) -> list[Network]:
        """Every network of the given experiments, from shallow to deep."""
        found = {network_of(result.config) for name in experiments for result in self.results.get(name, ())}
        return sorted(found, key=lambda network: (network.depth, network.label))

    def grids(self, experiment: str) -> dict[Network, dict[str, list[Point]]]:
        """An experiment's cells under the usual protocol, by network and method; works for the selection too."""
        found: dict[Network, dict[str, dict[tuple[float, float], list[Result]]]] = {}
        for result in self.results.get(experiment, ()):
            arm, chosen = arm_of(result.config), result.config.optimizer
            if arm.is_usual:
                cells = found.setdefault(network_of(result.config), {}).setdefault(arm.method, {})
                cells.setdefault((chosen.lr, chosen.weight_decay), []).append(result)
        return {
            network: {method: [Point(tuple(of)) for of in cells.values()] for method, cells in methods.items()}
            for network, methods in sorted(found.items(), key=lambda item: (item[0].depth, item[0].label))
        }

    def planned(self, network: str, arm: Arm, cell: str = "own") -> Point:
        """An arm's planned run, without a record: at `no_decay`, if that is the cell, or else at any cell.

        Raises:
            Missing: the profile does not train it.
        """
        planned = self._planned_without_decay if cell == NO_DECAY else self._planned
        if (network, arm) not in planned:
            raise Missing(f"{network}: {describe(arm, cell)} is not trained under this profile", asked=False)
        _, config = self._planned[network, arm]
        return Point((Result(Cell(config, config, ""), None),))

    def point(self, network: str, arm: Arm, cell: str = "own", decay_times: float = 1.0) -> Point:
        """An arm's runs over the seeds, at the cell chosen for its method or for the one that `cell` names.

        Raises:
            Missing: the profile does not train it, or nothing has been chosen yet.
        """
        self.planned(network, arm, cell)
        wanted = arm.method if cell == "own" else cell
        chosen = self.frozen.cells.get(network, {}).get(wanted)
        if chosen is None:
            raise Missing(f"{network}: no cell has been chosen for {cell_owner(wanted)} yet")
        point = self._points.get((network, arm, chosen.lr, chosen.decay(decay_times)))
        if point is None:
            raise Missing(f"{network}: {describe(arm, cell)} is not trained at the cell of {wanted}", asked=False)
        return point

    def complete(self, network: str, arm: Arm, cell: str = "own", decay_times: float = 1.0) -> Point:
        """Like `point`, but with a result for every seed.

        Raises:
            Missing: also if seeds are missing.
        """
        point = self.point(network, arm, cell, decay_times)
        if point.status in ("missing", "partial"):
            there = f"{len(point.records)} of {len(point.results)} seeds"
            raise Missing(f"{network}: {describe(arm, cell)} has {there}")
        return point


def readable_arrays(store: Store, record: Record, kind: Literal["curves", "histograms"]) -> dict[str, npt.NDArray[Any]]:
    """A record's arrays; empty, with a line in the log, if they are damaged."""
    try:
        return store.curves(record) if kind == "curves" else store.histograms(record)
    except RecordError as error:
        log.warning("left out: %s", error)
        return {}


def cell_owner(cell: str) -> str:
    """`AdamW`, `AdamW with a decay` or `Adam without a decay`: what the cell is the best one of."""
    if cell == NO_DECAY:
        return f"{ADAM} without a decay"
    method = cell.removesuffix(DECAYED)
    return look(method).label + (" with a decay" if method != cell else "")


def describe(arm: Arm, cell: str = "own") -> str:
    """`AdamW, eps 1e-3, loss x100` or, at the cell `no_decay`, `Adam without a decay`: the arm in a few words."""
    parts = [
        cell_owner(cell) if cell == NO_DECAY else look(arm.method).label,
        "" if arm.eps == 1e-8 else f"eps {number(arm.eps)}",
        "" if arm.loss_multiplier == 1 else f"loss x{arm.loss_multiplier:g}",
        f"layer gradients x10^±{arm.gradient_unbalance:g}" if arm.gradient_unbalance else "",
        f"layer decays x10^±{arm.decay_unbalance:g}" if arm.decay_unbalance else "",
        "" if arm.schedule == "constant" else arm.schedule,
        f"replica {arm.replica}" if arm.replica else "",
    ]
    return ", ".join(filter(None, parts))


def errors(point: Point) -> SeedValues:
    """Final test errors in points by seed; a diverged run counts as 100, the worst possible."""
    found = point.errors("test")
    return SeedValues({seed: 100 * min(error, 1.0) for seed, error in found.items() if math.isfinite(error)})


def scalars(point: Point, quantity: Literal["update_scale", "effective_decay"], name: str) -> SeedValues:
    """A scalar of the whole network's last measured distribution by seed, for seeds where it is finite."""
    found = {seed: getattr(record, quantity).get("network", {}).get(name) for seed, record in point.records.items()}
    known = {seed: float(value) for seed, value in found.items() if value is not None}
    return SeedValues({seed: value for seed, value in known.items() if math.isfinite(value)})


def gather(profile: str, store: Store, records: Mapping[str, Record] | None = None) -> Evidence:
    """Gather everything a store has for a profile; passing `records` (by identity) saves reading them again.

    Raises:
        ConfigError: an unknown profile.
    """
    known = store.records() if records is None else records
    experiments = {name: load_experiment(name, profile) for name in experiment_names()}
    results = {name: with_records(experiment, known) for name, experiment in experiments.items()}
    frozen = read_frozen(profile)
    selects_itself = not frozen.cells and not results[SELECTION]
    if selects_itself:
        # Several experiments may contain the same cell.
        own = {run_identity(result.config): result for some in results.values() for result in some}
        frozen = choose(settings(own.values()))
    waiting = {name: experiment.waiting for name, experiment in experiments.items()}
    return Evidence(profile, results, store, frozen, selects_itself, waiting)
