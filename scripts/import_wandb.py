"""Rebuild records from wandb's local files, and add them to a store.

    python scripts/import_wandb.py WANDB_DIR [results_dir=results]

WANDB_DIR holds folders `offline-run-*` or `run-*`, as RESULTS/wandb does. Every run is checked against its identity; a
result that the store has already is never overwritten.
"""

import sys
import tempfile
from pathlib import Path

from command_line import parse
from scalefree.paths import written_path
from scalefree.records import RecordError, ResultExists, Store
from scalefree.records.merge import merge, summary
from scalefree.records.printable import printable
from scalefree.tracking.rebuilding import rebuild
from scalefree.tracking.sessions import newest, sessions
from streams import begin


def collect(folder: Path, store: Store) -> list[str]:
    """Write every finished run of a wandb folder to a store; says which could not be, and why."""
    refused = []
    for session in newest(sessions(folder)).values():
        try:
            found = rebuild(session)
            if found is None:
                print(printable(f"  left out: {session.folder.name} holds no finished run"))
            else:
                store.write(*found)
        except RecordError as error:
            refused.append(f"  damaged: {error}")
        except ResultExists:
            refused.append(printable(f"  conflicting: {session.folder.name} holds a run that another folder has, too"))
    return refused


def main() -> int:
    """Exit codes: 0 imported, 1 a run conflicts or is damaged, 2 a wrong argument."""
    try:
        if len(sys.argv) < 2 or "=" in sys.argv[1] or sys.argv[1].startswith("-"):
            raise ValueError("name wandb's folder: python scripts/import_wandb.py WANDB_DIR [results_dir=results]")
        folder = Path(written_path("WANDB_DIR", sys.argv[1]))
        options = parse(sys.argv[2:], results_dir="results")
        if not sessions(folder):
            raise ValueError(f"{folder} holds no runs of wandb: no folder offline-run-* or run-*")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        rebuilt = Store(temporary)
        try:
            rebuilt.directory("").mkdir(parents=True)
            refused = collect(folder, rebuilt)
            merged = merge(rebuilt, Store(options["results_dir"]))
        except OSError as error:
            print(f"error: {error}; what was added before is whole, the same command goes on", file=sys.stderr)
            return 1
    print("\n".join([f"from {folder} to {options['results_dir']}: {summary(merged)}", *refused]))
    return 1 if refused or any(run.is_refused for run in merged) else 0


if __name__ == "__main__":
    sys.exit(begin(main))
