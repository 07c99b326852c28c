"""reproduce.py from nothing to figures, and once more; status.py; and what both refuse.

Here with one experiment of the smoke profile; .ci/run reproduces all of them.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scalefree.config import RunConfig
from scalefree.experiments import load_experiment, runs_of
from scalefree.launching import LocalSettings, Settings, SlurmSettings
from scalefree.launching.settings import cores
from scalefree.records import Store
from scripts.entry import call, start
from tracking.wandb_files import rows, run_folders


def times(folder: Path) -> dict[Path, int]:
    """Every file's modification time."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def assert_mirrored(results: Path, needed: dict[str, Any]) -> None:
    """Asserts that every run is a wandb run in the group of its experiment."""
    folders = run_folders(results)
    assert {folder.name.rpartition("-")[2] for folder in folders} == {name.rpartition("-")[2] for name in needed}
    (told,) = [row["run"] for row in rows(folders[0]) if row["type"] == "run"]
    assert told["run_group"] == "with_bn" and told["tags"] == ["profile:smoke", "with_bn"]


def test_reproduces_figures_from_nothing_and_does_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ("profile=smoke", "experiment=with_bn", "results_dir=results", "jobs=1")
    done = start(tmp_path, "reproduce.py", *arguments)
    assert done.returncode == 0 and done.stderr == ""
    needed = runs_of([load_experiment("with_bn", "smoke")])
    results = tmp_path / "results"
    records = {record.name: record for record in Store(results).records().values()}
    assert records.keys() == needed.keys() and len(needed) == 3
    assert all(record.outcome.is_result for record in records.values())
    assert "[3/3]" in done.stdout and "3 trained" in done.stdout
    named = [tmp_path / line.strip() for line in done.stdout.splitlines() if line.strip().startswith("results/")]
    assert results / "figures" / "smoke" / "with_bn.png" in named
    for path in named:
        assert path.stat().st_size > 0
        assert path.suffix != ".png" or path.with_suffix(".pdf").stat().st_size > 0
    assert_mirrored(results, needed)

    before = times(results / "runs")
    monkeypatch.chdir(tmp_path)
    drawn: list[tuple[object, ...]] = []
    # Drawing once is enough: the theory's figures take seconds.
    monkeypatch.setattr("scalefree.drawing.draw_everything", lambda *given: drawn.append(given))
    assert call("reproduce.py", arguments, monkeypatch) == 0
    assert drawn == [("smoke", "results", 1)]
    assert "3 already done" in capfd.readouterr().out
    assert times(results / "runs") == before and len(run_folders(results)) == 3

    assert call("status.py", ("profile=smoke",), monkeypatch) == 0
    out, _ = capfd.readouterr()
    table = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert table["with_bn"] == ["3", "3", "0", "0", "0", "0", "-"]
    assert table["corners"][:6] == ["10", "0", "0", "0", "0", "10"]
    assert re.search(r"\d+ different runs in total, 3 done, time left \d", out) and "unknown" not in out


@pytest.mark.parametrize("script", ["reproduce.py", "status.py"])
@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("profile=huge", "profile=huge is unknown; choose one of"),
        ("profil=quick", "unknown argument 'profil=quick'; the arguments with their defaults: profile=quick"),
        ("--verbose", "unknown argument '--verbose'"),
        ("jobs=0", "jobs=0 is impossible"),
        ("jobs=many", "jobs=many is impossible"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line_and_nothing_is_written(
    script: str,
    argument: str,
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(script, [argument], monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith(f"error: {named}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("experiment=nothing", "experiment=nothing is unknown"),
        ("tracking=loud", "tracking=loud is unknown"),
        ("draw=maybe", "draw=maybe is impossible"),
    ],
)
def test_reproduce_refuses_unknown_names_itself(
    argument: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("reproduce.py", ["profile=smoke", argument], monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith(f"error: {named}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


Launched = list[tuple[Settings, Sequence[RunConfig]]]


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launched:
    """Collects what reproduce.py asks its launcher to train, in an empty folder."""
    asked: Launched = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scalefree.launching.launch", lambda *given: asked.append(given))
    return asked


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ([], LocalSettings(jobs=cores())),
        (["jobs=3"], LocalSettings(jobs=3)),
        (["hydra/launcher=gpu", "hydra.launcher.mps=false"], LocalSettings(jobs=8, mps=False)),
        (["hydra/launcher=local", "hydra.launcher.jobs=0x3"], None),
        (
            ["hydra/launcher=slurm", "hydra.launcher.setup=[module load cuda,'export A=1']", "hydra.launcher.mem_gb=4"],
            SlurmSettings(setup=["module load cuda", "export A=1"], mem_gb=4),
        ),
        (
            ["hydra/launcher=slurm", "+hydra.launcher.additional_parameters.account=me"],
            SlurmSettings(additional_parameters={"account": "me"}),
        ),
        (
            ["hydra/launcher=slurm", "hydra.launcher.additional_parameters.account=me"],
            SlurmSettings(additional_parameters={"account": "me"}),
        ),
    ],
)
def test_launcher_settings_are_read_as_in_train(
    arguments: list[str], settings: Settings | None, launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = call("reproduce.py", ["profile=smoke", "experiment=with_bn", "draw=no", *arguments], monkeypatch)
    if settings is None:
        assert code == 2 and launched == []
    else:
        assert code == 0 and [(given, len(configs)) for given, configs in launched] == [(settings, 3)]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (
            ["hydra/launcher=local", "hydra.launcher.jobs=[1"],
            "hydra.launcher.jobs=[1 is not key=value as Hydra reads it",
        ),
        (["hydra/launcher=local", f"hydra.launcher.jobs={'9' * 400}"], "hydra.launcher.jobs=9"),
        (["hydra/launcher=local", "hydra.launcher.partition=gpu"], "hydra.launcher.partition is unknown"),
        (["hydra/launcher=null"], "hydra/launcher=null is not a valid choice"),
        (["hydra/launcher=cloud"], "In 'hydra/config': Could not find 'hydra/launcher/cloud'"),
        (["hydra/launcher=basic"], "hydra/launcher=basic is unknown; choose one of local, gpu, slurm"),
        (["hydra/launcher=gpu", "hydra/launcher=local"], "hydra/launcher=gpu hydra/launcher=local: choose one"),
        (["hydra/launcher=gpu", "jobs=2"], "jobs=2 does not set how many runs train at a time under hydra/launcher="),
        (["hydra.launcher.jobs=2"], "hydra.launcher.jobs=2 needs hydra/launcher="),
        (["profile=smoke", "experiment=without_bn"], "profile=smoke has no runs of without_bn"),
        (["experiment=corners,corners"], "experiment=corners,corners names corners twice"),
        (["dataset_root=/nowhere/at/all"], "dataset_root=/nowhere/at/all does not exist"),
        (["profile=h200", "dataset_root=."], "precision=tf32 exists only on CUDA devices"),
        (["profile=smoke", "profile=quick"], "profile= is given twice"),
        (["results_dir=/dev/null"], "results_dir=/dev/null is impossible"),
    ],
)
def test_impossible_requests_are_refused_in_one_line_before_any_work(
    arguments: list[str],
    named: str,
    launched: Launched,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert call("reproduce.py", arguments, monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith(f"error: {named}") and err.count("\n") == 1, err
    assert launched == [] and list(Path.cwd().iterdir()) == []
