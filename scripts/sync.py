"""Upload offline runs to wandb, each once, in the order of their starts.

    python scripts/sync.py [results_dir=results] [--dry-run]

Needs a wandb account (`wandb login`). --dry-run, which is dry_run=true, only lists. Only runs that have ended are
uploaded: the last session of a run holds all its epochs, also those before it was resumed. What is uploaded is marked
by wandb itself, beside its log.
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
    """Sessions to upload, in order, and how many others there are and why."""

    upload: list[Session]
    uploaded: int
    unfinished: list[Session]


def plan(results: Path) -> Plan:
    """What is there to do under RESULTS/wandb, by what its store says of the runs."""
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
    """Hand one session to `wandb sync`; what went wrong, None if it was uploaded.

    wandb's exit code is 0 even where it was refused, so its marker decides.
    """
    command = ["wandb", "sync", "--no-include-online", str(session.folder)]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no `wandb` on PATH"
    if told.returncode == 0 and session.is_synced:
        return None
    lines = (told.stderr + told.stdout).strip().splitlines()
    return lines[-1] if lines else f"wandb sync ended with exit code {told.returncode}"


def main() -> int:
    """Exit codes: 0 done, 1 an upload failed (those after it were not tried), 2 a wrong argument."""
    try:
        arguments = ["dry_run=true" if argument == "--dry-run" else argument for argument in given()]
        options = parse(arguments, results_dir="results", dry_run="false")
        dry = choice(options, "dry_run", "true", "false") == "true"
    except ValueError as error:
        return refused(error)
    found = plan(Path(options["results_dir"]))
    print(f"{len(found.upload)} to upload, {found.uploaded} uploaded before, {len(found.unfinished)} not finished yet")
    for session in found.unfinished:
        print(f"  waits: {shown(session.folder.name)}")
    for number, session in enumerate(found.upload, 1):
        where = f"[{number}/{len(found.upload)}] {shown(session.folder.name)}"
        if dry:
            print(f"  would upload {where}")
            continue
        wrong = upload(session)
        if wrong is not None:
            refused(f"{where}: {wrong}; the same command goes on from here")
            return 1
        print(f"  uploaded {where}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
