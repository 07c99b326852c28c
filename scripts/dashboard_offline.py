"""Show a store's offline runs in wandb's terminal viewer; no account is needed.

    python scripts/dashboard_offline.py [results_dir=results]

The viewer lists runs by folder name, so this script gives it a temporary folder of links named after what tells the
runs apart, such as `adamw wd1e-3 s0`: optimizer, decay, step size and whatever else they do not all share. In the
viewer, the arrow keys move, space shows or hides a run, f filters, h lists all keys and q quits.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from scalefree.command_line import given, parse, refused
from scalefree.records import Store
from scalefree.streams import begin
from scalefree.tracking.labels import labels
from scalefree.tracking.sessions import Session, newest, sessions


def slugs(found: list[Session], results: Path) -> list[str]:
    """The readable part of each run's name in the store, or its identity if the store does not have it."""
    suffixes = {name[-12:]: name[:-13] for name in Store(results).names()}
    return [suffixes.get(session.run_id, session.run_id) for session in found]


def link(found: list[Session], results: Path, folder: Path) -> None:
    """Make a folder per run with a link to its log, both named as the viewer expects: `run-<start>-<label>`."""
    for session, label in zip(found, labels(slugs(found, results)), strict=True):
        if (folder / f"run-{session.start}-{label}").exists():
            label = f"{label} {session.run_id}"
        linked = folder / f"run-{session.start}-{label}"
        linked.mkdir()
        (linked / f"run-{label}.wandb").symlink_to(session.log.resolve())


def main() -> int:
    """Exit codes: the viewer's own, 1 if there is nothing to show, 2 an unknown argument."""
    try:
        options = parse(given(), results_dir="results")
    except ValueError as error:
        return refused(error)
    results = Path(options["results_dir"])
    found = list(newest(sessions(results / "wandb")).values())
    if not found:
        refused(f"{results / 'wandb'} contains no runs; train some with tracking=offline")
        return 1
    with tempfile.TemporaryDirectory(prefix="scalefree-") as temporary:
        link(found, results, Path(temporary))
        return subprocess.run([sys.executable, "-m", "wandb", "leet", temporary], check=False).returncode


if __name__ == "__main__":
    sys.exit(begin(main))
