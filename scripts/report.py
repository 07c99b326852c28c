"""Write a profile's report, one self-contained HTML page, from the records in the store.

python scripts/report.py [profile=quick] [results_dir=results]
"""

import sys

from scalefree.command_line import given, parse, refused
from scalefree.report import write
from scalefree.streams import begin
from scalefree.terminal import shown


def main() -> int:
    """Exit codes: 0 written, 2 an unknown argument or profile."""
    try:
        options = parse(given(), profile="quick", results_dir="results")
        path = write(options["profile"], options["results_dir"])
    except ValueError as error:
        return refused(error)
    print(f"report: {shown(path)} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
