"""Rebuild records from wandb's local files, and add them to a store.

    python scripts/import_wandb.py WANDB_DIR [results_dir=results]

WANDB_DIR holds folders `offline-run-*` or `run-*`, as RESULTS/wandb does. Every run is checked against its identity; a
result that the store has already is never overwritten.
"""

import sys
import tempfile
from pathlib import Path

from scalefree.command_line import given, parse, refused
from scalefree.paths import written_path
from scalefree.records import RecordError, ResultExists, Store, check_results_dir
from scalefree.records.merge import merge, summary
from scalefree.records.printable import printable
from scalefree.streams import begin
from scalefree.tracking.rebuilding import rebuild
from scalefree.tracking.sessions import newest, sessions


def collect(folder: Path, store: Store) -> list[str]:
    """Write every finished run of a wandb folder to a store; says which could not be, and why."""
    damaged = []
    for session in newest(sessions(folder)).values():
        try:
            found = rebuild(session)
            if found is None:
                print(printable(f"  left out: {session.folder.name} holds no finished run"))
            else:
                store.write(*found)
        except RecordError as error:
            damaged.append(f"  damaged: {error}")
        except ResultExists:
            damaged.append(printable(f"  conflicting: {session.folder.name} holds a run that another folder has, too"))
    return damaged


def main() -> int:
    """Exit codes: 0 imported, 1 a run conflicts or is damaged, 2 a wrong argument."""
    try:
        named, *rest = given() or [""]
        if not named or "=" in named or named.startswith("-"):
            raise ValueError("name wandb's folder: python scripts/import_wandb.py WANDB_DIR [results_dir=results]")
        check_results_dir(named, "WANDB_DIR")
        folder = Path(written_path("WANDB_DIR", named))
        options = parse(rest, results_dir="results")
        if not sessions(folder):
            raise ValueError(f"{folder} holds no runs of wandb: no folder offline-run-* or run-*")
    except ValueError as error:
        return refused(error)
    with tempfile.TemporaryDirectory() as temporary:
        rebuilt = Store(temporary)
        try:
            rebuilt.directory("").mkdir(parents=True)
            damaged = collect(folder, rebuilt)
            merged = merge(rebuilt, Store(options["results_dir"]))
        except OSError as error:
            print(f"error: {error}; what was added before is whole, the same command goes on", file=sys.stderr)
            return 1
    print("\n".join([f"from {folder} to {options['results_dir']}: {summary(merged)}", *damaged]))
    return 1 if damaged or any(run.is_refused for run in merged) else 0


if __name__ == "__main__":
    sys.exit(begin(main))
