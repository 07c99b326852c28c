"""Choose each method's cell from the selection seeds' records; hyperparameters are chosen nowhere else."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scalefree.experiments.arms import arm_of
from scalefree.experiments.frozen import DECAYED, NO_DECAY, Cell, Frozen, read_frozen, write_frozen
from scalefree.experiments.grid import SELECTION, Experiment, load_experiment
from scalefree.experiments.results import Point, Setting, best, settings, with_records
from scalefree.optimizers import TRAINS_ADAM
from scalefree.records import Record, model_label, run_identity


@dataclass(frozen=True)
class Grid:
    """The points tried for one method in one network under the usual protocol, or for all of them without a decay."""

    network: str
    method: str
    points: tuple[Point, ...]

    @property
    def runs(self) -> int:
        """Number of runs in the grid."""
        return sum(len(point.results) for point in self.points)

    @property
    def done(self) -> int:
        """Number of runs with a result."""
        return sum(len(point.records) for point in self.points)


def _edges(best: Point, tried: Sequence[Point]) -> tuple[str, ...]:
    """The sides on which nothing beyond the winner was tried: larger or smaller (nonzero) decays and step sizes.

    A point that was tried alone has won nothing, and has none.
    """
    if len(tried) == 1:
        return ()
    # Some step sizes may have been tried only with a decay, or only without.
    lrs = {p.lr for p in tried if (p.weight_decay > 0) == (best.weight_decay > 0)}
    decays = {p.weight_decay for p in tried}
    found = []
    if best.weight_decay == max(decays) > 0:
        found.append("larger weight_decay")
    if best.weight_decay == min(decays) > 0:
        found.append("smaller weight_decay")
    if best.lr == max(lrs):
        found.append("larger lr")
    if best.lr == min(lrs):
        found.append("smaller lr")
    return tuple(found)


def _choose(among: Sequence[Point], tried: Sequence[Point]) -> Cell | None:
    """The point with the lowest validation error among those whose seeds all have a result and did not diverge."""
    chosen = best((point for point in among if point.status == "completed"), "validation")
    if chosen is None:
        return None
    error = chosen.exact_error("validation")
    assert error is not None
    names = tuple(record.name for _, record in sorted(chosen.records.items()))
    return Cell(chosen.lr, chosen.weight_decay, float(error), names, _edges(chosen, tried))


def grids(of: Iterable[Setting]) -> list[Grid]:
    """Every method's grid in every network under the usual protocol, and then Adam's without a decay in each."""
    found = []
    without: dict[str, dict[float, Point]] = {}
    for setting in of:
        for optimizer in setting.optimizers:
            points = setting.of(optimizer)
            config = points[0].results[0].config
            if arm_of(config).is_usual:
                network = model_label(config)
                found.append(Grid(network, optimizer, points))
                without.setdefault(network, {}).update({point.lr: point for point in points if _is_adam(point)})
    return [*found, *(Grid(network, NO_DECAY, tuple(shared.values())) for network, shared in without.items() if shared)]


def _is_adam(point: Point) -> bool:
    """Whether the point has no decay, and its run is the one that all methods share there."""
    run = point.results[0].cell.run
    return run.optimizer.weight_decay == 0 and run.optimizer.name == TRAINS_ADAM


def choose(of: Iterable[Setting]) -> Frozen:
    """Each method's cell in each network whose grid is complete; an incomplete grid chooses nothing."""
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
    """The grids of the experiment `selection` under a profile, with their records, which are given by identity.

    A single point, trained to see whether it trains at all, is not a grid: there is nothing to choose.

    Raises:
        ConfigError: an unknown profile.
    """
    found = grids(settings(with_records(load_experiment(SELECTION, profile), records)))
    return [grid for grid in found if len(grid.points) > 1]


def fill_in(profile: str, records: Mapping[str, Record]) -> dict[str, dict[str, Cell]]:
    """Choose the cells that the profile lacks and the records can decide; existing frozen cells are kept.

    Returns:
        The new cells, which have been written to the profile's file; if there are none, nothing is written.

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
    """Choose every cell again and write the profile's file; an incomplete grid keeps its previous cell. Cells that no
    grid tries any more are dropped.

    Returns:
        The previous and the new cells. If no grid is complete, there are no new ones, and nothing is written.

    Raises:
        ConfigError: an unknown profile, or a damaged file of frozen cells.
    """
    asked = selection_grids(profile, records)
    before = read_frozen(profile)
    chosen = _choose_in(asked)
    if not chosen.cells:
        return before, Frozen({}, 0, "")
    cells: dict[str, dict[str, Cell]] = {network: dict(methods) for network, methods in chosen.cells.items()}
    for grid in asked:
        for method in (grid.method, grid.method + DECAYED) if grid.done < grid.runs else ():
            if (kept := before.cells.get(grid.network, {}).get(method)) is not None:
                cells.setdefault(grid.network, {})[method] = kept
    now = Frozen(cells, chosen.records, chosen.digest)
    write_frozen(profile, now)
    load_experiment.cache_clear()
    return before, now


def waited_for(experiments: Iterable[Experiment], profile: str, records: Mapping[str, Record]) -> list[str]:
    """A line for each cell that is still to be chosen: how many runs wait for it, and how much of its grid is done."""
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
        elif method in _choose_in([grid]).cells.get(network, {}):
            why = f"its grid is done; `python scripts/freeze.py profile={profile}` chooses its cell"
        else:
            why = "no cell of its grid can be chosen: runs diverged, or none has a decay"
        lines.append(f"waiting: {network} {method}, {len(runs)} run{'s' * (len(runs) > 1)}; {why}")
    return lines
