"""Rebuild records from wandb's local files or from its server, and add them to a store.

    python scripts/import_wandb.py WANDB_DIR [results_dir=results]
    python scripts/import_wandb.py entity=NAME [project=scalefree] [results_dir=results]

WANDB_DIR contains folders `offline-run-*` or `run-*`, like RESULTS/wandb; `entity=` reads all runs of a project through
wandb's public API, which needs an account (`wandb login`). Every run is checked against its identity, and results
already in the store are never overwritten.
"""

import functools
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from scalefree.command_line import given, parse, refused
from scalefree.paths import written_path
from scalefree.records import RecordError, ResultExists, Store, check_results_dir
from scalefree.records.merge import merge, summary
from scalefree.records.printable import printable
from scalefree.streams import begin
from scalefree.terminal import shown
from scalefree.tracking.rebuilding import Log, log_of, rebuild
from scalefree.tracking.remote import remote_logs
from scalefree.tracking.sessions import newest, sessions
from scalefree.wandb_names import check_wandb_address


def local_logs(folder: Path) -> Iterator[Log | RecordError]:
    """The log of each run in a wandb folder, or the reason why it cannot be read."""
    for session in newest(sessions(folder)).values():
        try:
            yield log_of(session)
        except RecordError as error:
            yield error


def collect(logs: Iterable[Log | RecordError], store: Store) -> list[str]:
    """Write every finished run to a store; returns a line for each run that could not be written, with the reason."""
    damaged = []
    for log in logs:
        try:
            if isinstance(log, RecordError):
                raise log
            found = rebuild(log)
            if found is None:
                print(printable(f"  left out: {log.where} contains no finished run"))
            else:
                store.write(*found)
        except RecordError as error:
            damaged.append(f"  damaged: {error}")
        except ResultExists:
            assert isinstance(log, Log)
            damaged.append(printable(f"  conflicting: {log.where} contains a run that another log has too"))
    return damaged


def source(arguments: list[str]) -> tuple[str, Callable[[], Iterable[Log | RecordError]], str]:
    """The source in words, a function that reads it, and the results directory.

    Raises:
        ValueError: an unknown or missing argument, or a folder without runs.
    """
    if arguments and "=" not in arguments[0] and not arguments[0].startswith("-"):
        check_results_dir(arguments[0], "WANDB_DIR")
        folder = Path(written_path("WANDB_DIR", arguments[0]))
        options = parse(arguments[1:], results_dir="results")
        if not sessions(folder):
            raise ValueError(f"{folder} contains no wandb runs: it has no folder offline-run-* or run-*")
        return str(folder), functools.partial(local_logs, folder), options["results_dir"]
    options = parse(arguments, entity="", project="scalefree", results_dir="results")
    if not options["entity"]:
        raise ValueError("name wandb's folder or an account: import_wandb.py WANDB_DIR, or entity=NAME project=NAME")
    check_wandb_address(options["project"], options["entity"])
    project = f"{options['entity']}/{options['project']}"
    read = functools.partial(remote_logs, options["entity"], options["project"])
    return f"wandb's project {project}", read, options["results_dir"]


def main() -> int:
    """Exit codes: 0 imported, 1 a run conflicts or is damaged or wandb did not answer, 2 a wrong argument."""
    try:
        where, read, results_dir = source(given())
    except ValueError as error:
        return refused(error)
    with tempfile.TemporaryDirectory() as temporary:
        rebuilt = Store(temporary)
        try:
            rebuilt.directory("").mkdir(parents=True)
            damaged = collect(read(), rebuilt)
            merged = merge(rebuilt, Store(results_dir))
        except OSError as error:
            refused(f"{error}; records added so far are complete; run the same command again to continue")
            return 1
    print("\n".join([f"from {shown(where)} to {shown(results_dir)}: {summary(merged)}", *damaged]))
    return 1 if damaged or any(run.is_refused for run in merged) else 0


if __name__ == "__main__":
    sys.exit(begin(main))
