"""Write the store's records as tidy tables for other programs: runs, epochs, histograms, and the best cells as LaTeX.

    python scripts/export.py [results_dir=results] [profile=NAME] [format=csv|parquet] [out=DIR]

With `profile=`, only the runs of that profile's grids are exported. The tables go to RESULTS/export/ unless `out=`
names another folder; docs/export.md describes the columns. Parquet needs the extra `export`.
"""

import sys
from pathlib import Path

from scalefree.command_line import given, parse, refused
from scalefree.export.write import export
from scalefree.records import Store, check_results_dir
from scalefree.streams import begin
from scalefree.terminal import shown


def main() -> int:
    """Exit codes: 0 exported, 1 nothing to export or Parquet without its extra, 2 a wrong argument."""
    try:
        options = parse(given(), results_dir="results", profile="", format="csv", out="")
        store = Store(options["results_dir"])
        if options["out"]:
            check_results_dir(options["out"], "out")
        folder = Path(options["out"]) if options["out"] else store.root / "export"
        written = export(store, folder, options["format"], options["profile"] or None)
    except ValueError as error:
        return refused(error)
    except LookupError as error:
        refused(str(error.args[0]))
        return 1
    except ModuleNotFoundError as error:
        refused(f"{error}; pip install '.[export]' installs what Parquet needs")
        return 1
    for path, rows in written.items():
        print(f"  {shown(path)}: {rows:,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
