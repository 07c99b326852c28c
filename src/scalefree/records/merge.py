"""Records from another store: what is missing here is added, and nothing that is here is ever overwritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from scalefree.records.arrays import Arrays
from scalefree.records.environment import build_of
from scalefree.records.printable import printable
from scalefree.records.record import Record, RecordError
from scalefree.records.store import ResultExists, Store

# In the order in which they are told.
Fate = Literal["added", "identical", "conflicting", "damaged", "computed elsewhere", "being trained here", "unfinished"]

# What no device and no version changes: a difference here is a conflict wherever the two were computed.
FIXED = ("config", "fingerprints", "parameters")


@dataclass(frozen=True)
class Merged:
    """What became of one run of the other store, and a few words on why."""

    name: str
    fate: Fate
    detail: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether someone must look: the other store's record is damaged, or says what cannot be."""
        return self.fate in ("conflicting", "damaged")


def read_checked(store: Store, name: str) -> tuple[Record, Arrays, Arrays] | None:
    """A result with its curves and histograms, all of it read and checked; None where there is no result.

    Raises:
        RecordError: a damaged or mislabelled document, and arrays that are damaged or another run's.
    """
    record = store.result(name)
    return None if record is None else (record, store.curves(record), store.histograms(record))


def _content(record: Record, curves: Arrays, histograms: Arrays) -> dict[str, Any]:
    """All that two trainings of one run have in common, by name, in a form that `==` compares bit by bit."""
    document = record.document()
    content = {key: document[key] for key in document if key not in ("environment", "timing")}
    for kind, arrays in (("curves", curves), ("histograms", histograms)):
        for name, array in arrays.items():
            if "seconds" not in name:
                content[f"{kind}/{name}"] = (array.dtype.str, array.shape, array.tobytes())
    return content


def _differences(here: dict[str, Any], there: dict[str, Any]) -> list[str]:
    return sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))


def _compare(here: tuple[Record, Arrays, Arrays], there: tuple[Record, Arrays, Arrays]) -> Merged:
    """The verdict on two results of one run."""
    name = here[0].name
    differences = _differences(_content(*here), _content(*there))
    if not differences:
        return Merged(name, "identical")
    environments = here[0].environment, there[0].environment
    builds = _differences(*map(build_of, environments))
    # Where sessions of one run had different builds, nobody can tell which steps each of them took.
    if any(environment.get("earlier_sessions") for environment in environments):
        builds.append("build in its earlier sessions")
    if not builds or any(key in FIXED for key in differences):
        return Merged(name, "conflicting", f"another {', '.join(differences)}; the one here stays")
    return Merged(name, "computed elsewhere", f"another {', '.join(builds)}; the one here stays")


def _merge_run(other: Store, store: Store, name: str) -> Merged:
    try:
        there = read_checked(other, name)
        if there is None:
            return Merged(name, "unfinished", "no record, or that of a failure; not copied")
        here = read_checked(store, name)
        if here is not None:  # to compare, a store need not be writable
            return _compare(here, there)
        with store.claim(name) as mine:
            if not mine:
                return Merged(name, "being trained here", "merge again when it is done")
            here = read_checked(store, name)
            if here is None:
                store.write(*there)
                store.remove_leftovers(name)
                return Merged(name, "added")
        return _compare(here, there)
    except ResultExists:
        return Merged(name, "being trained here", "its result has just appeared; merge again")
    except RecordError as error:
        return Merged(name, "damaged", str(error))


def merge(other: Store, store: Store) -> list[Merged]:
    """Add the other store's results that this one lacks; a result takes the place of a failure.

    Every run is read and checked completely before anything of it is written, and written as `Store.write` does, so
    that a merge that is killed leaves whole records and none that is half there; it can be started again.

    Raises:
        ValueError: the other store has no `runs/`.
        OSError: this store cannot be written; what was added before is whole.
    """
    runs = other.root / "runs"
    if not runs.is_dir():
        raise ValueError(f"{other.root} is not a store of records: it has no folder runs/")
    names = sorted(path.name for path in runs.iterdir() if path.is_dir())
    return [_merge_run(other, store, name) for name in names]


def summary(merged: Sequence[Merged]) -> str:
    """`3 added, 2 identical, 1 damaged`, then each run by name but the identical ones."""
    counts = {fate: sum(run.fate == fate for run in merged) for fate in get_args(Fate)}
    lines = [", ".join(f"{count} {fate}" for fate, count in counts.items() if count) or "nothing there"]
    for fate in counts:
        told = [run for run in merged if run.fate == fate != "identical"]
        lines += [printable(f"  {fate}: {run.name}" + (f": {run.detail}" if run.detail else ""), 3000) for run in told]
    return "\n".join(lines)
