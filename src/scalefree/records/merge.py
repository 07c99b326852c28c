"""Merge records from another store: missing ones are added, and existing ones are never overwritten."""

from collections.abc import Sequence
from typing import get_args

from scalefree.records.archive import damaged_archives
from scalefree.records.comparison import Fate, Treated, content, differences
from scalefree.records.environment import build_of
from scalefree.records.printable import printable
from scalefree.records.reading import Arrays
from scalefree.records.record import Record, RecordError
from scalefree.records.store import ResultExists, Store

# What is independent of device and version: a difference here is a conflict wherever the two were computed.
FIXED = ("config", "fingerprints", "parameters")


def _compare(here: tuple[Record, Arrays, Arrays], there: tuple[Record, Arrays, Arrays]) -> Treated:
    """The verdict on two results of one run."""
    name = here[0].name
    differing = differences(content(*here), content(*there))
    if not differing:
        return Treated(name, "identical")
    environments = here[0].environment, there[0].environment
    builds = differences(*map(build_of, environments))
    # If a run's sessions had different builds, it is unknown which steps each of them took.
    if any(environment.get("earlier_sessions") for environment in environments):
        builds.append("build in its earlier sessions")
    if not builds or any(key in FIXED for key in differing):
        return Treated(name, "conflicting", f"different {', '.join(differing)}; the one here is kept")
    return Treated(name, "computed elsewhere", f"different {', '.join(builds)}; the one here is kept")


def _merge_run(other: Store, store: Store, name: str) -> Treated:
    try:
        there = other.whole(name)
        if there is None:
            return Treated(name, "unfinished", "no record, or only that of a failure; not copied")
        here = store.whole(name)
        if here is not None:  # comparing works even if the store is not writable
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
        return Treated(name, "being trained here", "its result has just been written; merge again")
    except RecordError as error:
        return Treated(name, "damaged", str(error))


def merge(other: Store, store: Store) -> list[Treated]:
    """Add the other store's results that this one lacks; a result replaces a failure.

    Every run is read and checked completely before any of it is written, and written with `Store.write`, so that a
    killed merge leaves only complete records and can be started again.

    Raises:
        ValueError: the other store has neither `runs/` nor `archives/`.
        OSError: this store cannot be written; records added so far are complete.
    """
    if not any((other.root / folder).is_dir() for folder in ("runs", "archives")):
        raise ValueError(f"{other.root} is not a store of records; it has neither a runs/ nor an archives/ folder")
    damaged = [Treated(name, "damaged", str(error)) for name, error in damaged_archives(other.archives).items()]
    return damaged + [_merge_run(other, store, name) for name in other.names()]


def summary(merged: Sequence[Treated]) -> str:
    """`3 added, 2 identical, 1 damaged`, then the name of each run that is not identical."""
    counts = {fate: sum(run.fate == fate for run in merged) for fate in get_args(Fate)}
    lines = [", ".join(f"{count} {fate}" for fate, count in counts.items() if count) or "no records"]
    for fate in counts:
        told = [run for run in merged if run.fate == fate != "identical"]
        lines += [printable(f"  {fate}: {run.name}" + (f": {run.detail}" if run.detail else ""), 3000) for run in told]
    return "\n".join(lines)
