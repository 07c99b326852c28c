"""Compare a committed record with a second training of its run: equal bit for bit, or as close as replicas.

On the same device and build a run is a pure function of its configuration, so everything in the record must be
reproduced to the last bit, except wall-clock times and what later versions add. On another device or build sums are
rounded differently, and a deep network without BatchNorm may end up far away. How far is normal is shown by replicas:
runs of the same cell and seed that differ only in rounding.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from scalefree.records.comparison import content
from scalefree.records.environment import build_of
from scalefree.records.identity import identity_of_values
from scalefree.records.reading import Arrays
from scalefree.records.record import Record, describe_outcome

# In the order of the summary.
Verdict = Literal["equal", "close", "not judged", "different"]
Whole = tuple[Record, Arrays, Arrays]

# With fewer pairs of replicas it is unknown what counts as close.
LEAST_PAIRS = 5
# The largest close difference, in root mean squares of the replicas' differences.
SPREADS = 3.0


@dataclass(frozen=True)
class Verified:
    """The verdict of a second training on a record, and why."""

    name: str
    verdict: Verdict
    detail: str = ""


def _reproduced(told: Any, found: Any) -> bool:
    """Whether everything in the record was reproduced; it may lack what later versions add."""
    if isinstance(told, dict) and isinstance(found, dict):
        return all(key in found and _reproduced(value, found[key]) for key, value in told.items())
    return bool(told == found)


def machine_of(record: Record) -> dict[str, Any]:
    """The part of a record's environment that determines its bits, except the commit: different code may compute the
    same.

    Of the platform only the C library counts; the kernel's version does not affect results.
    """
    build = build_of(record.environment)
    for key in ("commit", "uncommitted_changes", "scalefree"):
        del build[key]
    build["platform"] = str(build["platform"]).rpartition("-with-")[2]
    return build


def _other_machine(committed: Record, anew: Record) -> list[str]:
    """The names of what differs between the two machines; empty if they are of the same kind."""
    one, other = machine_of(committed), machine_of(anew)
    differing = [key for key in one if one[key] != other[key]]
    # It is unknown which steps were taken before a run was resumed elsewhere.
    return differing + ["build in earlier sessions"] * bool(committed.environment.get("earlier_sessions"))


def _cell(record: Record) -> str:
    return identity_of_values({key: value for key, value in record.config.items() if key not in ("seed", "replica")})


def _error(record: Record) -> float:
    """Final test error; a diverged run counts as 1, the worst possible."""
    return min(record.test_error, 1.0)


def replica_differences(of: Record, records: Iterable[Record]) -> list[float]:
    """How far the final test errors of replicas of this record's cell are from their originals', one per pair."""
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
    said = f"different {why}; {describe_outcome(committed)}, now {describe_outcome(anew)}"
    if len(replicas) < LEAST_PAIRS:
        return Verified(
            committed.name,
            "not judged",
            f"{said}; the store has {len(replicas)} pairs of replicas of this cell, and {LEAST_PAIRS} are needed to "
            "judge whether that is close",
        )
    spread = math.sqrt(math.fsum(each**2 for each in replicas) / len(replicas))
    # Errors change in steps of one image.
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
        f"different {', '.join(differing)} on the same device and build; {describe_outcome(record)}, now "
        f"{describe_outcome(again)}; the record is from commit {commits[0]}, this is {commits[1]}",
    )


def counted(verified: Sequence[Verified]) -> Mapping[Verdict, int]:
    """How many records have each verdict."""
    return {verdict: sum(each.verdict == verdict for each in verified) for verdict in get_args(Verdict)}
