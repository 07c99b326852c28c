"""Runs read back through wandb's own public API, from a stand-in server on this machine. No real server is involved."""

import filecmp
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY
from scalefree.compose import run_config
from scalefree.records import Store
from scalefree.training import run
from scripts.entry import ENVIRONMENT, command
from tracking.stand_in import PROJECT, Server, serving


def script(server: Server, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a script with an account that exists only on the stand-in."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**ENVIRONMENT, **server.account(), "HOME": str(folder), "PATH": path}
    return subprocess.run(command(*arguments), cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """Two runs, trained offline and uploaded by `wandb sync`, and one that has not ended."""
    folder = tmp_path_factory.mktemp("uploaded")
    values: dict[str, Any] = {**TINY, "tracking": "offline", "tracking.project": PROJECT, "training.epochs": 3}
    for optimizer in ("adaml2", "adamw"):
        # The second epoch is not evaluated, and the third is measured only as the last.
        chosen = {"optimizer": optimizer, "training.evaluate_every": 2, "training.histogram_epochs": [1]}
        run(run_config({**values, **chosen, "results_dir": str(folder / "results")}))
    with serving() as server:
        done = script(server, folder, "sync.py")
        assert "2 to upload" in done.stdout, done.stdout + done.stderr
        server.configs["unfinished"], server.history["unfinished"] = "{}", []
        yield server, folder


def test_all_records_are_restored_byte_for_byte(uploaded: tuple[Server, Path]) -> None:
    server, folder = uploaded
    done = script(server, folder, "import_wandb.py", "entity=lab", f"project={PROJECT}", "results_dir=imported")
    assert done.returncode == 0 and "2 added" in done.stdout, done.stdout + done.stderr
    assert f"left out: lab/{PROJECT}/unfinished contains no finished run" in done.stdout
    names = sorted(record.name for record in Store(folder / "results").records().values())
    assert len(names) == 2
    for name in names:
        files = ["record.json", "curves.npz", "histograms.npz"]
        compared = filecmp.cmpfiles(
            folder / "results/runs" / name, folder / "imported/runs" / name, files, shallow=False
        )
        assert compared == (files, [], []), name


def test_a_history_with_a_gap_is_refused_without_affecting_other_runs(
    uploaded: tuple[Server, Path], tmp_path: Path
) -> None:
    server, _ = uploaded
    first = next(iter(server.history))
    kept = server.history[first]
    server.history[first] = [row for row in kept if row["epoch"] != 2]
    try:
        done = script(server, tmp_path, "import_wandb.py", "entity=lab", f"project={PROJECT}")
    finally:
        server.history[first] = kept
    assert done.returncode == 1 and "1 added" in done.stdout
    assert f"damaged: lab/{PROJECT}/{first} has epochs [1, 3]: some are missing" in done.stdout


def test_a_configuration_that_differs_from_the_record_is_refused(uploaded: tuple[Server, Path], tmp_path: Path) -> None:
    server, _ = uploaded
    first = next(iter(server.history))
    kept = server.configs[first]
    changed = json.loads(kept)
    changed["optimizer"]["value"]["lr"] = 0.5
    server.configs[first] = json.dumps(changed)
    try:
        done = script(server, tmp_path, "import_wandb.py", "entity=lab", f"project={PROJECT}")
    finally:
        server.configs[first] = kept
    assert done.returncode == 1 and "was logged with a different optimizer than in its record" in done.stdout


def test_a_missing_project_is_named(uploaded: tuple[Server, Path], tmp_path: Path) -> None:
    server, _ = uploaded
    done = script(server, tmp_path, "import_wandb.py", "entity=lab", "project=nowhere")
    assert done.returncode == 1 and "lab/nowhere cannot be read" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "results/runs").exists()


def test_without_a_folder_or_an_entity_the_script_is_refused() -> None:
    done = subprocess.run(command("import_wandb.py"), env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 2 and "WANDB_DIR, or entity=NAME" in done.stderr
