"""Add the records of another store, for example from another machine, to this one.

python scripts/merge.py OTHER_STORE [results_dir=results]

Identical records are skipped. If two results of the same run differ, the one here is kept, and the summary says so.
"""

import sys

from scalefree.command_line import given, parse, refused
from scalefree.paths import written_path
from scalefree.records import Store, check_results_dir
from scalefree.records.merge import merge, summary
from scalefree.streams import begin
from scalefree.terminal import shown


def main() -> int:
    """Exit codes: 0 merged, 1 a record conflicts or is damaged, or could not be written, 2 a wrong argument."""
    try:
        other, *rest = given() or [""]
        if not other or other.startswith("-"):
            raise ValueError("name the other store: python scripts/merge.py OTHER_STORE [results_dir=results]")
        options = parse(rest, results_dir="results")
        check_results_dir(other, "OTHER_STORE")
        merged = merge(Store(written_path("OTHER_STORE", other)), Store(options["results_dir"]))
    except ValueError as error:
        return refused(error)
    except OSError as error:
        refused(f"{error}; records added so far are complete; run the same command again to continue")
        return 1
    print(f"from {shown(other)} to {shown(options['results_dir'])}: {summary(merged)}")
    return 1 if any(run.is_refused for run in merged) else 0


if __name__ == "__main__":
    sys.exit(begin(main))
