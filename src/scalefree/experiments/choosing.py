"""From the selection seeds' records to each method's cell: the only place where trainings choose hyperparameters."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scalefree.experiments.arms import arm_of
from scalefree.experiments.frozen import DECAYED, Cell, Frozen, read_frozen, write_frozen
from scalefree.experiments.grid import SELECTION, Experiment, load_experiment
from scalefree.experiments.results import Point, Setting, best, settings, with_records
from scalefree.records import Record, model_label, run_identity


@dataclass(frozen=True)
class Grid:
    """What was tried for one method in one network, at the usual protocol."""

    network: str
    method: str
    points: tuple[Point, ...]

    @property
    def runs(self) -> int:
        """How many runs it asks for."""
        return sum(len(point.results) for point in self.points)

    @property
    def done(self) -> int:
        """How many of them have a result."""
        return sum(len(point.records) for point in self.points)


def _edges(best: Point, tried: Sequence[Point]) -> tuple[str, ...]:
    """Where nothing beyond the winner was tried: a decay above its own, or below it and above 0, or a step size."""
    lrs, decays = {p.lr for p in tried}, {p.weight_decay for p in tried}
    found = []
    if best.weight_decay == max(decays):
        found.append("larger weight_decay")
    if best.weight_decay == min(decays) > 0:
        found.append("smaller weight_decay")
    if best.lr == max(lrs):
        found.append("larger lr")
    if best.lr == min(lrs):
        found.append("smaller lr")
    return tuple(found)


def _choose(among: Sequence[Point], tried: Sequence[Point]) -> Cell | None:
    """The point of lowest validation error among those whose seeds are all there and did not diverge."""
    chosen = best((point for point in among if point.status == "completed"), "validation")
    if chosen is None:
        return None
    error = chosen.exact_error("validation")
    assert error is not None
    names = tuple(record.name for _, record in sorted(chosen.records.items()))
    return Cell(chosen.lr, chosen.weight_decay, float(error), names, _edges(chosen, tried))


def grids(of: Iterable[Setting]) -> list[Grid]:
    """Every method's grid in every network at the usual protocol."""
    found = []
    for setting in of:
        for optimizer in setting.optimizers:
            points = setting.of(optimizer)
            config = points[0].results[0].config
            if arm_of(config).is_usual:
                found.append(Grid(model_label(config), optimizer, points))
    return found


def choose(of: Iterable[Setting]) -> Frozen:
    """Each method's cell in each network whose grid is complete; half a grid chooses nothing."""
    return _choose_in(grids(of))


def _choose_in(among: Iterable[Grid]) -> Frozen:
    cells: dict[str, dict[str, Cell]] = {}
    identities: set[str] = set()
    for grid in among:
        identities |= {record.identity for point in grid.points for record in point.records.values()}
        if grid.done < grid.runs:
            continue
        decayed = [point for point in grid.points if point.weight_decay > 0]
        for suffix, points in (("", grid.points), (DECAYED, decayed)):
            if (cell := _choose(points, grid.points)) is not None:
                cells.setdefault(grid.network, {})[grid.method + suffix] = cell
    digest = hashlib.sha256("\n".join(sorted(identities)).encode()).hexdigest() if identities else ""
    return Frozen(cells, len(identities), digest)


def selection_grids(profile: str, records: Mapping[str, Record]) -> list[Grid]:
    """What the experiment `selection` tries under a profile, with the records by identity that are there.

    A single point, trained to see whether it trains at all, is no grid: nothing is chosen where there is no choice.

    Raises:
        ConfigError: an unknown profile.
    """
    found = grids(settings(with_records(load_experiment(SELECTION, profile), records)))
    return [grid for grid in found if len(grid.points) > 1]


def fill_in(profile: str, records: Mapping[str, Record]) -> dict[str, dict[str, Cell]]:
    """Choose what the profile's frozen cells lack and the records can choose; what was frozen before stays.

    Returns:
        The new cells, which have been written to the profile's file; nothing is written where there are none.

    Raises:
        ConfigError: an unknown profile, or a damaged file of frozen cells.
    """
    chosen = _choose_in(selection_grids(profile, records))
    before = read_frozen(profile)
    added = {
        network: new
        for network, methods in chosen.cells.items()
        if (new := {method: cell for method, cell in methods.items() if method not in before.cells.get(network, {})})
    }
    if added:
        networks = sorted(before.cells.keys() | added.keys())
        cells = {network: {**before.cells.get(network, {}), **added.get(network, {})} for network in networks}
        write_frozen(profile, Frozen(cells, chosen.records, chosen.digest))
        load_experiment.cache_clear()
    return added


def choose_again(profile: str, records: Mapping[str, Record]) -> tuple[Frozen, Frozen]:
    """Choose every cell anew and write the profile's file; a grid that is not complete keeps the cell it had.

    Returns:
        The cells of before and of now. Nothing is written where there are none.

    Raises:
        ConfigError: an unknown profile, or a damaged file of frozen cells.
    """
    asked = selection_grids(profile, records)
    before = read_frozen(profile)
    chosen = _choose_in(asked)
    cells: dict[str, dict[str, Cell]] = {network: dict(methods) for network, methods in chosen.cells.items()}
    for grid in asked:
        for method in (grid.method, grid.method + DECAYED) if grid.done < grid.runs else ():
            if (kept := before.cells.get(grid.network, {}).get(method)) is not None:
                cells.setdefault(grid.network, {})[method] = kept
    now = Frozen(cells, chosen.records, chosen.digest)
    if cells:
        write_frozen(profile, now)
        load_experiment.cache_clear()
    return before, now


def waited_for(experiments: Iterable[Experiment], profile: str, records: Mapping[str, Record]) -> list[str]:
    """A line for each cell that has yet to be chosen: how many runs wait for it, and how far its grid is."""
    waiting: dict[tuple[str, str], set[tuple[str, float]]] = {}
    for experiment in experiments:
        for run in experiment.waiting:
            waiting.setdefault((run.network, run.method), set()).add((run_identity(run.config), run.decay_times))
    asked = {(grid.network, grid.method): grid for grid in selection_grids(profile, records)} if waiting else {}
    lines = []
    for (network, method), runs in sorted(waiting.items()):
        grid = asked.get((network, method.removesuffix(DECAYED)))
        if grid is None:
            why = f"configs/experiment/{SELECTION}.yaml has no grid for it"
        elif grid.done < grid.runs:
            why = f"{grid.done} of the {grid.runs} runs of its grid are done"
        else:
            why = "nothing in its grid can be chosen: runs diverged, or none has a decay"
        lines.append(f"waiting: {network} {method}, {len(runs)} run{'s' * (len(runs) > 1)}; {why}")
    return lines
