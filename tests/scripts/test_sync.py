"""Uploading offline runs, with a stand-in for the `wandb` command. No real server is involved."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from records.made_up import CURVES, HISTOGRAMS
from records.made_up import record as made_up
from scalefree.config import RunConfig
from scalefree.records import Outcome, Store
from scripts.entry import ENVIRONMENT, command

# Logs its arguments; leaves wandb's marker unless the folder's name is in the file `refused`.
WANDB = """#!{python}
import json, pathlib, sys
here = pathlib.Path({here!r})
with (here / "calls").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
folder = pathlib.Path(sys.argv[-1])
if (here / "refused").exists() and folder.name in (here / "refused").read_text():
    print("wandb: Not authenticated.", file=sys.stderr)
else:
    (log,) = folder.glob("*.wandb")
    log.with_suffix(".wandb.synced").touch()
"""


class Uploads:
    """A store with wandb sessions of four runs: two done (one of them resumed), one failed, one unfinished."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "results")
        (folder / "bin").mkdir()
        script = folder / "bin/wandb"
        script.write_text(WANDB.format(python=sys.executable, here=str(folder)))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        first, second = (made_up(RunConfig(seed=seed)) for seed in range(2))
        failed = made_up(RunConfig(seed=2), test_error=None, outcome=Outcome("failed", 0, "no memory"))
        for record in (first, second):
            self.store.write(record, CURVES, HISTOGRAMS)
        self.store.write(failed, {}, {})
        self.resumed_before = self.session("20260101_000000", second.identity)
        self.first = self.session("20260102_000000", first.identity)
        self.failed = self.session("20260102_000001", failed.identity)
        self.second = self.session("20260103_000000", second.identity)
        self.unfinished = self.session("20260104_000000", "0123456789ab")
        (self.store.root / "wandb/run-20260105_000000-abcdef").mkdir()
        (self.store.root / "wandb/latest-run").symlink_to(self.second)

    def session(self, start: str, identity: str) -> str:
        name = f"offline-run-{start}-{identity}"
        (self.store.root / "wandb" / name).mkdir(parents=True)
        (self.store.root / "wandb" / name / f"run-{identity}.wandb").touch()
        return name

    def sync(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**ENVIRONMENT, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(
            command("sync.py", *arguments), cwd=self.folder, env=environment, capture_output=True, text=True
        )

    def calls(self) -> list[str]:
        """The folders passed to the stand-in, in order."""
        log = self.folder / "calls"
        told = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        assert all(call[:2] == ["sync", "--no-include-online"] and len(call) == 3 for call in told)
        return [Path(call[2]).name for call in told]


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path)


def test_each_finished_run_is_uploaded_once_in_order_of_its_start(uploads: Uploads) -> None:
    """A resumed run's last session has all its epochs, so the earlier one is not uploaded."""
    done = uploads.sync()
    assert done.returncode == 0, done.stderr
    assert uploads.calls() == [uploads.first, uploads.second]
    again = uploads.sync()
    assert again.returncode == 0 and "0 to upload, 2 uploaded before, 2 not finished" in again.stdout
    assert len(uploads.calls()) == 2


@pytest.mark.parametrize("argument", ["dry_run=true", "--dry-run"])
def test_a_dry_run_lists_runs_and_uploads_nothing(argument: str, uploads: Uploads) -> None:
    done = uploads.sync(argument)
    assert done.returncode == 0 and uploads.calls() == []
    lines = done.stdout.splitlines()
    assert lines[0] == "2 to upload, 0 uploaded before, 2 not finished"
    assert [line.split()[-1] for line in lines[1:]] == [
        uploads.failed, uploads.unfinished, uploads.first, uploads.second,
    ]  # fmt: skip


def test_a_refused_upload_stops_the_sync_and_the_next_one_continues(uploads: Uploads) -> None:
    """wandb's exit code is 0 even if it refused."""
    (uploads.folder / "refused").write_text(uploads.second)
    done = uploads.sync()
    assert done.returncode == 1 and "Not authenticated" in done.stderr and uploads.second in done.stderr
    (uploads.folder / "refused").unlink()
    assert uploads.sync().returncode == 0
    assert uploads.calls() == [uploads.first, uploads.second, uploads.second]


def test_wandb_has_the_option_that_is_used() -> None:
    """`wandb sync` can leave out runs that were online."""
    told = subprocess.run([sys.executable, "-m", "wandb", "sync", "--help"], capture_output=True, text=True, check=True)
    assert "--no-include-online" in told.stdout


def test_an_unknown_argument_is_refused(uploads: Uploads) -> None:
    done = uploads.sync("dry_run=perhaps")
    assert done.returncode == 2 and "choose one of true, false" in done.stderr
