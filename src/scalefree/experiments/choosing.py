"""From the selection seeds' records to each method's cell: the only place where trainings choose hyperparameters."""

import hashlib
from collections.abc import Iterable, Sequence

from scalefree.experiments.arms import arm_of
from scalefree.experiments.frozen import DECAYED, Cell, Frozen
from scalefree.experiments.results import Point, Setting
from scalefree.records import model_label


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
    judged = [(point.exact_error("validation"), point) for point in among if point.status == "completed"]
    known = [(error, point.weight_decay, point.lr, point) for error, point in judged if error is not None]
    if not known:
        return None
    error, _, _, best = min(known, key=lambda item: item[:3])
    names = tuple(record.name for _, record in sorted(best.records.items()))
    return Cell(best.lr, best.weight_decay, float(error), names, _edges(best, tried))


def choose(settings: Iterable[Setting]) -> Frozen:
    """Every method's cell in every usual setting whose grid is complete; half a grid chooses nothing."""
    cells: dict[str, dict[str, Cell]] = {}
    identities: set[str] = set()
    for setting in settings:
        for optimizer in setting.optimizers:
            points = setting.of(optimizer)
            config = points[0].results[0].config
            if not arm_of(config).is_usual:
                continue
            identities |= {record.identity for point in points for record in point.records.values()}
            if any(point.status in ("missing", "partial") for point in points):
                continue
            for suffix, among in (("", points), (DECAYED, [p for p in points if p.weight_decay > 0])):
                if (cell := _choose(among, points)) is not None:
                    cells.setdefault(model_label(config), {})[optimizer + suffix] = cell
    digest = hashlib.sha256("\n".join(sorted(identities)).encode()).hexdigest() if identities else ""
    return Frozen(cells, len(identities), digest)
