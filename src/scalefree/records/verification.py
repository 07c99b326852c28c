"""A committed record against another training of its run: equal bit for bit, or as close as replicas are.

On one device and build a run is a pure function of its configuration, so everything that the record holds must come
out again, to the last bit; wall-clock times aside, and what later versions measure besides. On another one sums are
rounded otherwise, and a deep network without BatchNorm may end far from where it did. How far, replicas tell: runs of
the same cell and seed that differ in rounding alone.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from scalefree.records.comparison import content
from scalefree.records.environment import build_of
from scalefree.records.reading import Arrays
from scalefree.records.record import Record, describe_outcome

# In the order in which they are told.
Verdict = Literal["equal", "close", "not judged", "different"]
Whole = tuple[Record, Arrays, Arrays]

# With fewer pairs of replicas nobody can tell what is close.
LEAST_PAIRS = 5
# Close is what differs by no more than so many root mean squares of the replicas' differences.
SPREADS = 3.0


@dataclass(frozen=True)
class Verified:
    """What a second training says of a record, and a few words on why."""

    name: str
    verdict: Verdict
    detail: str = ""


def _reproduced(told: Any, found: Any) -> bool:
    """Whether all that the record holds came out again; it may lack what later versions add."""
    if isinstance(told, dict) and isinstance(found, dict):
        return all(key in found and _reproduced(value, found[key]) for key, value in told.items())
    return bool(told == found)


def machine_of(record: Record) -> dict[str, Any]:
    """What of a record's environment decides its bits, its commit aside: other code that computes the same is welcome.

    Of the platform that is the C library; the kernel's version computes nothing.
    """
    build = build_of(record.environment)
    for key in ("commit", "uncommitted_changes", "scalefree"):
        del build[key]
    build["platform"] = str(build["platform"]).rpartition("-with-")[2]
    return build


def _other_machine(committed: Record, anew: Record) -> list[str]:
    """What differs between the two machines, by name; nothing where they are of one kind."""
    one, other = machine_of(committed), machine_of(anew)
    differing = [key for key in one if one[key] != other[key]]
    # Nobody can tell which steps were taken before a run was resumed elsewhere.
    return differing + ["build in earlier sessions"] * bool(committed.environment.get("earlier_sessions"))


def _cell(record: Record) -> str:
    return json.dumps({key: value for key, value in record.config.items() if key not in ("seed", "replica")})


def _error(record: Record) -> float:
    """Final test error; a diverged run counts as 1, the worst there is."""
    return min(record.test_error, 1.0)


def replica_differences(of: Record, records: Iterable[Record]) -> list[float]:
    """How far the final test errors of replicas of this record's cell lie from their originals', one per pair."""
    by_seed: dict[int, dict[int, Record]] = {}
    cell = _cell(of)
    for record in records:
        if record.outcome.is_result and _cell(record) == cell:
            by_seed.setdefault(record.config["seed"], {})[record.config["replica"]] = record
    return [
        abs(_error(record) - _error(replicas[0]))
        for replicas in by_seed.values()
        for number, record in replicas.items()
        if number != 0 and 0 in replicas
    ]


def _close(committed: Record, anew: Record, replicas: Sequence[float], why: str) -> Verified:
    difference = abs(_error(committed) - _error(anew))
    said = f"another {why}; {describe_outcome(committed)}, now {describe_outcome(anew)}"
    if len(replicas) < LEAST_PAIRS:
        return Verified(
            committed.name,
            "not judged",
            f"{said}; the store has {len(replicas)} pairs of replicas of this cell, and {LEAST_PAIRS} would tell "
            "whether that is close",
        )
    spread = math.sqrt(math.fsum(each**2 for each in replicas) / len(replicas))
    # Errors come in steps of one image.
    image = 1 / committed.split_sizes["test"] if committed.split_sizes else 0.0
    allowed = max(SPREADS * spread, image) * (1 + 1e-9)
    said += f"; {len(replicas)} pairs of replicas differ by {spread:.4f} (root mean square)"
    return Verified(committed.name, "close" if difference <= allowed else "different", said)


def verify(committed: Whole, anew: Whole, records: Iterable[Record]) -> Verified:
    """The verdict on a record, given a second training of its run and all records of its store."""
    told, found = content(*committed), content(*anew)
    differing = [key for key in told if key not in found or not _reproduced(told[key], found[key])]
    if not differing:
        return Verified(committed[0].name, "equal")
    record, again = committed[0], anew[0]
    if machines := _other_machine(record, again):
        return _close(record, again, replica_differences(record, records), ", ".join(machines))
    commits = [str(each.environment.get("commit"))[:12] for each in (record, again)]
    return Verified(
        record.name,
        "different",
        f"another {', '.join(differing)} on the same device and build; {describe_outcome(record)}, now "
        f"{describe_outcome(again)}; the record is of commit {commits[0]}, this is {commits[1]}",
    )


def counted(verified: Sequence[Verified]) -> Mapping[Verdict, int]:
    """How many records have each verdict."""
    return {verdict: sum(each.verdict == verdict for each in verified) for verdict in get_args(Verdict)}
