"""Write all tables of a store to a folder."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from scalefree.experiments import experiment_names, load_experiment, runs_of
from scalefree.experiments.evidence import gather
from scalefree.experiments.names import scope
from scalefree.export.best_cells import latex, of_profile, of_records
from scalefree.export.columns import TABLES
from scalefree.export.csv_file import write_csv
from scalefree.export.rows import Arrays, Row, epoch_rows, histogram_rows, run_row
from scalefree.files import atomic_write
from scalefree.records import Record, RecordError, Store

FORMATS = ("csv", "parquet")
log = logging.getLogger(__name__)


def _arrays(record: Record, read: Callable[[Record], Arrays]) -> Arrays:
    """A run's arrays; empty, with a line in the log, if they are damaged, and empty for a failed run."""
    if record.outcome.is_result:
        try:
            return read(record)
        except RecordError as error:
            log.warning("left out: %s", error)
    return {}


def _epochs(records: Sequence[Record], store: Store) -> Iterator[Row]:
    for record in records:
        yield from epoch_rows(record, _arrays(record, store.curves), _arrays(record, store.histograms))


def _histograms(records: Sequence[Record], store: Store) -> Iterator[Row]:
    for record in records:
        yield from histogram_rows(record, _arrays(record, store.histograms))


def _needed_by(profile: str) -> dict[str, list[str]]:
    experiments = [load_experiment(name, profile) for name in experiment_names()]
    return {name: needed for name, (_, needed) in runs_of(experiments).items()}


def _best_cells(profile: str | None, records: Mapping[str, Record], store: Store) -> str:
    if profile is None:
        chosen = of_records(records.values())
        how = "chosen by validation error if images are held out, else by test error, among cells with the most seeds"
        return latex(chosen, f"Best cells of all records: {how}.")
    evidence = gather(profile, store, records)
    chosen = of_profile(evidence)
    seeds = "on the seeds shown" if evidence.selects_itself else "on selection seeds, which are not shown"
    how = f"cells chosen by validation error {seeds}" if evidence.tunes else "the only cells tried"
    words = scope(profile, [cell.point for cell in chosen if cell.point is not None])
    return latex(chosen, f"{words}: {how}.")


def export(store: Store, folder: Path, kind: str = "csv", profile: str | None = None) -> dict[Path, int]:
    """Write the tables of a store, or of a profile's runs in it; returns each file's number of rows.

    Raises:
        ValueError: an unknown format or profile.
        LookupError: there are no records.
        ModuleNotFoundError: `kind` is parquet but the extra `export` is not installed.
        OSError: a file cannot be written; those written before it are complete.
    """
    if kind not in FORMATS:
        raise ValueError(f"format={kind} is unknown; choose {' or '.join(FORMATS)}")
    write = write_csv
    if kind == "parquet":
        from scalefree.export.parquet_file import write_parquet

        write = write_parquet
    needed = {} if profile is None else _needed_by(profile)
    known = {
        identity: record for identity, record in store.records().items() if profile is None or record.name in needed
    }
    if not known:
        raise LookupError(
            f"{store.root} has no records"
            + (f" of the profile {profile}; train some first" if profile else "; train some runs first")
        )
    records = sorted(known.values(), key=lambda record: record.name)
    rows: dict[str, Iterator[Row]] = {
        "runs": (run_row(record, needed.get(record.name, ())) for record in records),
        "epochs": _epochs(records, store),
        "histograms": _histograms(records, store),
    }
    written = {}
    for name, columns in TABLES.items():
        path = folder / f"{name}.{kind}"
        written[path] = write(path, columns, rows[name])
    table = _best_cells(profile, known, store)
    path = folder / "best_cells.tex"
    with atomic_write(path) as file:
        file.write(table.encode())
    written[path] = sum(line.endswith(r"\\") and "&" in line for line in table.splitlines()) - 1
    return written
