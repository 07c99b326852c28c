"""Runs tracked offline and imported into an empty store give the same records and figure, byte for byte."""

import filecmp
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from scalefree.config import with_values
from scalefree.experiments import load_experiment, runs_of
from scalefree.experiments.evidence import gather
from scalefree.figures import draw
from scalefree.records import Store
from scalefree.training import run
from scripts.entry import start
from tracking.wandb_files import run_folders

EXPERIMENT, PROFILE = "loss_scale", "smoke"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the store `results`: the smoke runs of one experiment, tracked by wandb offline."""
    folder = tmp_path_factory.mktemp("trained")
    machine = {"results_dir": str(folder / "results"), "tracking.mode": "offline", "device": "cpu"}
    for config, _ in runs_of([load_experiment(EXPERIMENT, PROFILE)]).values():
        run(with_values(config, machine))
    return folder


@pytest.fixture(scope="module")
def imported(trained: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    return trained / "imported", start(trained, "import_wandb.py", "results/wandb", "results_dir=imported")


def bytes_of(paths: list[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


def test_all_records_are_restored_byte_for_byte(
    trained: Path, imported: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    into, done = imported
    assert done.returncode == 0, done.stdout + done.stderr
    names = sorted(record.name for record in Store(trained / "results").records().values())
    assert len(names) >= 4 and f"{len(names)} added" in done.stdout
    for name in names:
        files = ["record.json", "curves.npz", "histograms.npz"]
        compared = filecmp.cmpfiles(trained / "results/runs" / name, into / "runs" / name, files, shallow=False)
        assert compared == (files, [], []), name


def test_the_figure_is_the_same_from_both_stores(
    trained: Path, imported: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    into, _ = imported
    assert load_experiment(EXPERIMENT, PROFILE).cells
    first = bytes_of(draw(EXPERIMENT, gather(PROFILE, Store(trained / "results")), trained / "figures/first"))
    second = bytes_of(draw(EXPERIMENT, gather(PROFILE, Store(into)), trained / "figures/second"))
    assert first == second and len(first) >= 2


def test_importing_again_adds_nothing(trained: Path, imported: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    done = start(trained, "import_wandb.py", "results/wandb", "results_dir=imported")
    assert done.returncode == 0 and "identical" in done.stdout and "added" not in done.stdout


def test_an_existing_record_is_never_overwritten(
    trained: Path, imported: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    into, _ = imported
    shutil.copytree(into / "runs", tmp_path / "results/runs")
    path = next(iter(sorted((tmp_path / "results/runs").glob("*/record.json"))))
    document = json.loads(path.read_bytes())
    del document["checksum"], document["array_checksums"]
    document["outcome"]["reason"] = "none is known"
    path.write_text(json.dumps(document))
    done = start(tmp_path, "import_wandb.py", str(trained / "results/wandb"))
    assert done.returncode == 1 and f"conflicting: {path.parent.name}" in done.stdout
    assert json.loads(path.read_bytes()) == document


def one_run(trained: Path, folder: Path) -> Path:
    """Copies one run's wandb folder into an otherwise empty wandb folder; returns its log."""
    chosen = run_folders(trained / "results")[0]
    shutil.copytree(chosen, folder / "wandb" / chosen.name)
    (log,) = (folder / "wandb" / chosen.name).glob("*.wandb")
    return log


def test_an_unfinished_run_is_left_out(trained: Path, tmp_path: Path) -> None:
    """wandb's log is cut off before the record, as a killed process leaves it."""
    log = one_run(trained, tmp_path)
    content = log.read_bytes()
    log.write_bytes(content[: content.index(b"update_scale/network/q50")])
    done = start(tmp_path, "import_wandb.py", "wandb")
    assert "contains no finished run" in done.stdout or "damaged" in done.stdout
    assert Store(tmp_path / "results").records() == {}


def test_two_logs_of_one_run_conflict(trained: Path, tmp_path: Path) -> None:
    """wandb's own identifier hides that it is the same run; neither overwrites the other."""
    log = one_run(trained, tmp_path)
    twin = log.parent.with_name(f"{log.parent.name[:-12]}another")
    shutil.copytree(log.parent, twin)
    (twin / log.name).rename(twin / "run-another.wandb")
    done = start(tmp_path, "import_wandb.py", "wandb")
    assert done.returncode == 1 and "1 added" in done.stdout and "conflicting: " in done.stdout
    assert len(Store(tmp_path / "results").records()) == 1


def test_a_file_that_is_not_a_wandb_log_is_refused_by_name(trained: Path, tmp_path: Path) -> None:
    log = one_run(trained, tmp_path)
    log.write_bytes(b"something else")
    done = start(tmp_path, "import_wandb.py", "wandb")
    assert log.parent.name in done.stdout
    assert Store(tmp_path / "results").records() == {}


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    done = start(tmp_path, "import_wandb.py", "nowhere")
    assert done.returncode == 2 and "nowhere contains no wandb runs" in done.stderr
