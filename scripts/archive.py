"""Move a profile's records from RESULTS/runs/ to RESULTS/archives/<profile>.zip, one file for git instead of thousands.

    python scripts/archive.py [profile=digits] [results_dir=results]

Every command reads both places, and an archived run is not trained again. The results of all runs that the profile's
experiments need are moved, each read in full and checked first; run logs are not kept. Nothing in the archive is ever
replaced: if a result differs from the archived one, both are kept and the run is named.
"""

import sys

from scalefree.command_line import given, parse, refused
from scalefree.experiments import experiment_names, load_experiment, runs_of
from scalefree.records import RecordError, Store
from scalefree.records.archive import Archive
from scalefree.records.archiving import ArchiveBusy, move
from scalefree.records.printable import printable
from scalefree.streams import begin


def main() -> int:
    """Exit codes: 0 moved, 1 a record conflicts or is damaged or could not be written, 2 a wrong argument."""
    try:
        options = parse(given(), profile="digits", results_dir="results")
        profile = options["profile"]
        needed = runs_of(load_experiment(name, profile) for name in experiment_names())
    except ValueError as error:
        return refused(error)
    store = Store(options["results_dir"])
    path = store.archives / f"{profile}.zip"
    try:
        moved = move(store, profile, needed)
    except (ArchiveBusy, RecordError, ValueError) as error:
        refused(error)
        return 1
    except OSError as error:
        refused(f"{error}; no record is lost; run the same command again to continue")
        return 1
    count = {fate: sum(run.fate == fate for run in moved) for fate in ("moved", "already archived")}
    print(f"to {path}: {count['moved']} moved, {count['already archived']} already archived")
    for run in moved:
        if run.is_refused:
            print(printable(f"  {run.fate}: {run.name}: {run.detail}", 3000))
    if path.exists():
        held = Archive(path).names()
        of_profile = f"{len(needed.keys() & held)} of the profile's {len(needed)} runs"
        print(f"it holds {len(held)} records, {of_profile}, in {path.stat().st_size / 1e6:.1f} MB")
    return 1 if any(run.is_refused for run in moved) else 0


if __name__ == "__main__":
    sys.exit(begin(main))
