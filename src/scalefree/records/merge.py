"""Records from another store: what is missing here is added, and nothing that is here is ever overwritten."""

from collections.abc import Sequence
from typing import get_args

from scalefree.records.archive import damaged_archives
from scalefree.records.comparison import Fate, Treated, content, differences
from scalefree.records.environment import build_of
from scalefree.records.printable import printable
from scalefree.records.reading import Arrays
from scalefree.records.record import Record, RecordError
from scalefree.records.store import ResultExists, Store

# What no device and no version changes: a difference here is a conflict wherever the two were computed.
FIXED = ("config", "fingerprints", "parameters")


def _compare(here: tuple[Record, Arrays, Arrays], there: tuple[Record, Arrays, Arrays]) -> Treated:
    """The verdict on two results of one run."""
    name = here[0].name
    differing = differences(content(*here), content(*there))
    if not differing:
        return Treated(name, "identical")
    environments = here[0].environment, there[0].environment
    builds = differences(*map(build_of, environments))
    # Where sessions of one run had different builds, nobody can tell which steps each of them took.
    if any(environment.get("earlier_sessions") for environment in environments):
        builds.append("build in its earlier sessions")
    if not builds or any(key in FIXED for key in differing):
        return Treated(name, "conflicting", f"another {', '.join(differing)}; the one here stays")
    return Treated(name, "computed elsewhere", f"another {', '.join(builds)}; the one here stays")


def _merge_run(other: Store, store: Store, name: str) -> Treated:
    try:
        there = other.whole(name)
        if there is None:
            return Treated(name, "unfinished", "no record, or that of a failure; not copied")
        here = store.whole(name)
        if here is not None:  # to compare, a store need not be writable
            return _compare(here, there)
        with store.claim(name) as mine:
            if not mine:
                return Treated(name, "being trained here", "merge again when it is done")
            here = store.whole(name)
            if here is None:
                store.write(*there)
                store.remove_leftovers(name)
                return Treated(name, "added")
        return _compare(here, there)
    except ResultExists:
        return Treated(name, "being trained here", "its result has just appeared; merge again")
    except RecordError as error:
        return Treated(name, "damaged", str(error))


def merge(other: Store, store: Store) -> list[Treated]:
    """Add the other store's results that this one lacks; a result takes the place of a failure.

    Every run is read and checked completely before anything of it is written, and written as `Store.write` does, so
    that a merge that is killed leaves whole records and none that is half there; it can be started again.

    Raises:
        ValueError: the other store has neither `runs/` nor `archives/`.
        OSError: this store cannot be written; what was added before is whole.
    """
    if not any((other.root / folder).is_dir() for folder in ("runs", "archives")):
        raise ValueError(f"{other.root} is not a store of records: it has neither a folder runs/ nor archives/")
    damaged = [Treated(name, "damaged", str(error)) for name, error in damaged_archives(other.archives).items()]
    return damaged + [_merge_run(other, store, name) for name in other.names()]


def summary(merged: Sequence[Treated]) -> str:
    """`3 added, 2 identical, 1 damaged`, then each run by name but the identical ones."""
    counts = {fate: sum(run.fate == fate for run in merged) for fate in get_args(Fate)}
    lines = [", ".join(f"{count} {fate}" for fate, count in counts.items() if count) or "nothing there"]
    for fate in counts:
        told = [run for run in merged if run.fate == fate != "identical"]
        lines += [printable(f"  {fate}: {run.name}" + (f": {run.detail}" if run.detail else ""), 3000) for run in told]
    return "\n".join(lines)
