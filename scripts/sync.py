"""Upload offline runs to wandb, each once, in the order in which they started.

    python scripts/sync.py [results_dir=results] [--dry-run]

Needs a wandb account (`wandb login`). --dry-run (or dry_run=true) only lists the runs. Only runs that have ended are
uploaded, because the last session of a run contains all its epochs, including those before it was resumed. wandb itself
marks each uploaded run, next to its log.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scalefree.command_line import choice, given, parse, refused
from scalefree.records import Store
from scalefree.streams import begin
from scalefree.terminal import shown
from scalefree.tracking.sessions import Session, newest, sessions


@dataclass(frozen=True)
class Plan:
    """Sessions to upload, in order, and those that are not: already uploaded, or unfinished."""

    upload: list[Session]
    uploaded: int
    unfinished: list[Session]


def plan(results: Path) -> Plan:
    """What to upload from RESULTS/wandb, given which runs its store has results of."""
    ended = {identity for identity, record in Store(results).records().items() if record.outcome.is_result}
    offline = [session for session in newest(sessions(results / "wandb")).values() if session.offline]
    done = [session for session in offline if session.is_synced]
    waiting = [session for session in offline if not session.is_synced]
    return Plan(
        upload=[session for session in waiting if session.run_id in ended],
        uploaded=len(done),
        unfinished=[session for session in waiting if session.run_id not in ended],
    )


def upload(session: Session) -> str | None:
    """Pass one session to `wandb sync`; returns what went wrong, or None if it was uploaded.

    wandb's exit code is 0 even if the upload was refused, so its marker decides.
    """
    command = ["wandb", "sync", "--no-include-online", str(session.folder)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "no `wandb` on PATH; install wandb, or activate its environment"
    if told.returncode == 0 and session.is_synced:
        return None
    lines = (told.stderr + told.stdout).strip().splitlines()
    return lines[-1] if lines else f"wandb sync ended with exit code {told.returncode}"


def main() -> int:
    """Exit codes: 0 done, 1 an upload failed (later ones were not tried), 2 a wrong argument."""
    try:
        arguments = ["dry_run=true" if argument == "--dry-run" else argument for argument in given()]
        options = parse(arguments, results_dir="results", dry_run="false")
        dry = choice(options, "dry_run", "true", "false") == "true"
    except ValueError as error:
        return refused(error)
    found = plan(Path(options["results_dir"]))
    print(f"{len(found.upload)} to upload, {found.uploaded} uploaded before, {len(found.unfinished)} not finished")
    for session in found.unfinished:
        print(f"  not finished: {shown(session.folder.name)}")
    for number, session in enumerate(found.upload, 1):
        where = f"[{number}/{len(found.upload)}] {shown(session.folder.name)}"
        if dry:
            print(f"  would upload {where}")
            continue
        wrong = upload(session)
        if wrong is not None:
            refused(f"{where}: {wrong}; run the same command again to continue")
            return 1
        print(f"  uploaded {where}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
