"""Look at the offline runs of a store in wandb's terminal viewer; needs no account.

    python scripts/dashboard_offline.py [results_dir=results]

The viewer lists runs by the names of their folders, so it gets a folder of links that are called like the runs. Within
it: arrows move, space shows or hides a run, f filters, h lists all keys, q leaves.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from scalefree.command_line import given, parse, refused
from scalefree.streams import begin
from scalefree.tracking.sessions import Session, newest, sessions


def label(session: Session, results: Path) -> str:
    """The run's name in the store, its optimizer first; its identity where the store does not know it."""
    for directory in results.glob(f"runs/*-{session.run_id}"):
        name = directory.name.removesuffix(f"-{session.run_id}")
        # The optimizer is the word before the step size.
        parts = re.fullmatch(r"(.+?)-([^-]+)-(lr\d.*)", name)
        return name if parts is None else "-".join([parts[2], parts[1], parts[3]])
    return session.run_id


def link(found: list[Session], results: Path, folder: Path) -> None:
    """A folder a run below `folder` with a link to its log, both named as the viewer wants: `run-<start>-<name>`."""
    for session in found:
        name = label(session, results)
        linked = folder / f"run-{session.start}-{name}"
        if linked.exists():
            linked = folder / f"run-{session.start}-{name}-{session.run_id}"
        linked.mkdir()
        (linked / f"run-{linked.name.removeprefix(f'run-{session.start}-')}.wandb").symlink_to(session.log.resolve())


def main() -> int:
    """Exit codes: the viewer's own, 1 where there is nothing to see, 2 an unknown argument."""
    try:
        options = parse(given(), results_dir="results")
    except ValueError as error:
        return refused(error)
    results = Path(options["results_dir"])
    found = list(newest(sessions(results / "wandb")).values())
    if not found:
        print(f"error: {results / 'wandb'} holds no runs; train some with tracking=offline", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="scalefree-") as temporary:
        link(found, results, Path(temporary))
        return subprocess.run([sys.executable, "-m", "wandb", "leet", temporary], check=False).returncode


if __name__ == "__main__":
    sys.exit(begin(main))
