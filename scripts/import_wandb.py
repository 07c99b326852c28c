"""Rebuild records from wandb's local files, and add them to a store.

    python scripts/import_wandb.py WANDB_DIR [results_dir=results]

WANDB_DIR holds folders `offline-run-*` or `run-*`, as RESULTS/wandb does. Every run is checked against its identity; a
result that the store has already is never overwritten.
"""

import sys
import tempfile
from pathlib import Path

from scalefree.command_line import given, parse, refused
from scalefree.records import RecordError, Store, check_results_dir
from scalefree.records.merge import merge, summary
from scalefree.tracking.rebuilding import rebuild
from scalefree.tracking.sessions import newest, sessions


def collect(folder: Path, store: Store) -> list[str]:
    """Write every finished run of a wandb folder to a store; says which could not be, and why."""
    refused = []
    for session in newest(sessions(folder)).values():
        try:
            found = rebuild(session)
        except RecordError as error:
            refused.append(f"  damaged: {error}")
            continue
        if found is None:
            print(f"  left out: {session.folder.name} holds no finished run")
        else:
            store.write(*found)
    return refused


def main() -> int:
    """Exit codes: 0 imported, 1 a run conflicts or is damaged, 2 a wrong argument."""
    try:
        named, *rest = given() or [""]
        if not named or "=" in named or named.startswith("-"):
            raise ValueError("name wandb's folder: python scripts/import_wandb.py WANDB_DIR [results_dir=results]")
        check_results_dir(named, "WANDB_DIR")
        folder = Path(named)
        options = parse(rest, results_dir="results")
        if not sessions(folder):
            raise ValueError(f"{folder} holds no runs of wandb: no folder offline-run-* or run-*")
    except ValueError as error:
        return refused(error)
    with tempfile.TemporaryDirectory() as temporary:
        rebuilt = Store(temporary)
        rebuilt.directory("").mkdir(parents=True)
        damaged = collect(folder, rebuilt)
        try:
            merged = merge(rebuilt, Store(options["results_dir"]))
        except OSError as error:
            print(f"error: {error}; what was added before is whole, the same command goes on", file=sys.stderr)
            return 1
    print("\n".join([f"from {folder} to {options['results_dir']}: {summary(merged)}", *damaged]))
    return 1 if damaged or any(run.is_refused for run in merged) else 0


if __name__ == "__main__":
    sys.exit(main())
