"""Look at the offline runs of a store in wandb's terminal viewer; needs no account.

    python scripts/dashboard_offline.py [results_dir=results]

The viewer lists runs by the names of their folders, so it gets a folder of links that are called by what tells the runs
apart: `adamw wd1e-3 s0`, its optimizer, decay, step size and so on, whatever they do not all share. Within it: arrows
move, space shows or hides a run, f filters, h lists all keys, q leaves.
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
    """The readable part of each run's name in the store; its identity where the store does not know it."""
    suffixes = {name[-12:]: name[:-13] for name in Store(results).names()}
    return [suffixes.get(session.run_id, session.run_id) for session in found]


def link(found: list[Session], results: Path, folder: Path) -> None:
    """A folder a run below `folder` with a link to its log, both named as the viewer wants: `run-<start>-<label>`."""
    for session, label in zip(found, labels(slugs(found, results)), strict=True):
        if (folder / f"run-{session.start}-{label}").exists():
            label = f"{label} {session.run_id}"
        linked = folder / f"run-{session.start}-{label}"
        linked.mkdir()
        (linked / f"run-{label}.wandb").symlink_to(session.log.resolve())


def main() -> int:
    """Exit codes: the viewer's own, 1 where there is nothing to see, 2 an unknown argument."""
    try:
        options = parse(given(), results_dir="results")
    except ValueError as error:
        return refused(error)
    results = Path(options["results_dir"])
    found = list(newest(sessions(results / "wandb")).values())
    if not found:
        refused(f"{results / 'wandb'} holds no runs; train some with tracking=offline")
        return 1
    with tempfile.TemporaryDirectory(prefix="scalefree-") as temporary:
        link(found, results, Path(temporary))
        return subprocess.run([sys.executable, "-m", "wandb", "leet", temporary], check=False).returncode


if __name__ == "__main__":
    sys.exit(begin(main))
