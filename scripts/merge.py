"""Add the records of another store, from another machine say, to this one.

python scripts/merge.py OTHER_STORE [results_dir=results]

Identical records are skipped. Where two results of one run differ, the one here stays, and the summary says so.
"""

import sys

from command_line import parse
from scalefree.paths import written_path
from scalefree.records import Store
from scalefree.records.merge import merge, summary
from streams import begin


def main() -> int:
    """Exit codes: 0 merged, 1 a record conflicts or is damaged, or could not be written, 2 a wrong argument."""
    try:
        if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
            raise ValueError("name the other store: python scripts/merge.py OTHER_STORE [results_dir=results]")
        options = parse(sys.argv[2:], results_dir="results")
        merged = merge(Store(written_path("OTHER_STORE", sys.argv[1])), Store(options["results_dir"]))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}; what was added before is whole, the same command goes on", file=sys.stderr)
        return 1
    print(f"from {sys.argv[1]} to {options['results_dir']}: {summary(merged)}")
    return 1 if any(run.is_refused for run in merged) else 0


if __name__ == "__main__":
    sys.exit(begin(main))
