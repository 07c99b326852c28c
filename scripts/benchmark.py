"""Measure this machine: python scripts/benchmark.py [results_dir=results] [dataset_root=DIR] [device=auto]

Measures a plain script, the package's plain loop and each step of the fast path, several runs at once, a sweep, the
cost of checkpoints and tracking, and the memory roofline. Writes RESULTS/benchmarks/<device>.{json,md}, which
benchmarks/README.md explains. With dataset_root the images are CIFAR-10's; without it they are generated. Run nothing
else meanwhile.
"""

import logging
import sys
from pathlib import Path

from scalefree.command_line import choice, given, parse, refused
from scalefree.config import DEVICES
from scalefree.streams import begin
from scalefree.terminal import shown

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/ is not part of the package


def main() -> int:
    """Exit codes: 0 done, 1 something could not be measured, 2 refused before any work."""
    try:
        options = parse(given(), results_dir="results", dataset_root="", device="auto")
        named = choice(options, "device", *DEVICES)
        from benchmarks import suite, table
        from scalefree.data import DatasetError
        from scalefree.training.device import choose_device

        device = choose_device(named)
    except ValueError as error:
        return refused(error)
    logging.basicConfig(level=logging.WARNING)
    results_dir = Path(options["results_dir"])
    try:
        result = suite.run(
            device,
            suite.sizes_for(device),
            options["dataset_root"] or None,
            keep=lambda so_far: table.write(so_far, results_dir),
        )
    except DatasetError as error:  # the images come first
        return refused(error)
    written = table.write(result, results_dir)
    print(table.page(result))
    print(*map(shown, written), sep="\n")
    return 1 if suite.NOT_MEASURED in result else 0


if __name__ == "__main__":
    sys.exit(begin(main))
