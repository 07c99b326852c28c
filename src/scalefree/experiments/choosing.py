"""From the selection seeds' records to each method's cell: the only place where trainings choose hyperparameters."""

import hashlib
from collections.abc import Iterable, Sequence

from scalefree.experiments.arms import arm_of
from scalefree.experiments.frozen import Cell, Frozen
from scalefree.experiments.results import Point, Setting
from scalefree.records import model_label
from scalefree.records.identity import optimizer_label

# Ends the label of a method's best cell with a decay above 0.
DECAYED = "_decayed"


def _edges(best: Point, tried: Sequence[Point]) -> tuple[str, ...]:
    """Where the winner has the largest decay, or the largest or smallest step size, of several that were tried."""
    lrs, decays = sorted({p.lr for p in tried}), sorted({p.weight_decay for p in tried})
    found = []
    if len(decays) > 1 and best.weight_decay == decays[-1]:
        found.append("larger weight_decay")
    if len(decays) > 1 and best.weight_decay == decays[0] > 0:
        found.append("smaller weight_decay")
    if len(lrs) > 1 and best.lr == lrs[-1]:
        found.append("larger lr")
    if len(lrs) > 1 and best.lr == lrs[0]:
        found.append("smaller lr")
    return tuple(found)


def _choose(points: Sequence[Point]) -> Cell | None:
    """The point of lowest validation error among those whose seeds are all there and did not diverge."""
    judged = [(point.exact_error("validation"), point) for point in points if point.status == "completed"]
    known = [(error, point.weight_decay, point.lr, point) for error, point in judged if error is not None]
    if not known:
        return None
    error, _, _, best = min(known, key=lambda item: item[:3])
    names = tuple(record.name for _, record in sorted(best.records.items()))
    return Cell(best.lr, best.weight_decay, float(error), names, _edges(best, points))


def choose(settings: Iterable[Setting]) -> Frozen:
    """Every method's cell in every usual setting whose grid is complete; half a grid chooses nothing."""
    cells: dict[str, dict[str, Cell]] = {}
    identities: set[str] = set()
    for setting in settings:
        for optimizer in setting.optimizers:
            points = setting.of(optimizer)
            if not arm_of(points[0].results[0].config).is_usual:
                continue
            identities |= {record.identity for point in points for record in point.records.values()}
            if any(point.status in ("missing", "partial") for point in points):
                continue
            config = points[0].results[0].config
            methods = cells.setdefault(model_label(config), {})
            for suffix, among in (("", points), (DECAYED, [p for p in points if p.weight_decay > 0])):
                if (cell := _choose(among)) is not None:
                    methods[optimizer_label(config) + suffix] = cell
    digest = hashlib.sha256("\n".join(sorted(identities)).encode()).hexdigest() if identities else ""
    return Frozen(cells, len(identities), digest)
