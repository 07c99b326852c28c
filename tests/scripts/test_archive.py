"""archive.py: its output, exit codes and refusals, and that archived runs count as done."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.made_up import HISTOGRAMS, NO_HISTOGRAMS, diverged
from scalefree.config import RunConfig, with_values
from scalefree.experiments import experiment_names, load_experiment, runs_of
from scalefree.experiments.cost import Pace
from scalefree.experiments.coverage import coverage
from scalefree.experiments.evidence import gather
from scalefree.records import Store
from scalefree.training import run
from scripts.entry import call


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked() -> dict[str, RunConfig]:
    """The runs of the smoke profile."""
    runs = runs_of(load_experiment(name, "smoke") for name in experiment_names())
    return {name: config for name, (config, _) in runs.items()}


def add(store: Store, config: RunConfig) -> str:
    """Adds a diverged result of this run; returns its name."""
    made = diverged(config)
    store.write(made, {}, NO_HISTOGRAMS)
    return made.name


def test_only_the_profiles_results_are_moved(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store("results")
    needed = asked()
    names = [add(store, config) for config in list(needed.values())[:3]]
    other = add(store, with_values(next(iter(needed.values())), {"seed": 77}))
    before = store.records()
    experiment = load_experiment("corners", "smoke")
    counted = coverage([experiment], store, before, Pace.of_records(before))
    evidence = gather("smoke", store)
    assert call("archive.py", ["profile=smoke"], monkeypatch) == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[0] == "to results/archives/smoke.zip: 3 moved, 0 already archived" and err == ""
    assert lines[1].startswith(f"it holds 3 records, 3 of the profile's {len(needed)} runs, in 0.0 MB")
    assert [path.name for path in Path("results/runs").iterdir()] == [other]
    assert store.records() == before and store.place(names[0]).parent == Path("results/archives/smoke.zip")
    assert coverage([experiment], store, store.records(), Pace.of_records(store.records())) == counted
    assert gather("smoke", store).results == evidence.results

    whole = Path("results/archives/smoke.zip").read_bytes()
    assert call("archive.py", ["profile=smoke"], monkeypatch) == 0
    assert capfd.readouterr().out.startswith("to results/archives/smoke.zip: 0 moved, 0 already archived\n")
    assert Path("results/archives/smoke.zip").read_bytes() == whole


def test_without_results_no_archive_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call("archive.py", ["profile=smoke", "results_dir=nowhere"], monkeypatch) == 0
    assert capfd.readouterr().out == "to nowhere/archives/smoke.zip: 0 moved, 0 already archived\n"
    assert list(folder.iterdir()) == []


def test_an_archived_run_counts_as_done(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Training finds the same result without training again, and status counts it."""
    name, config = next(iter(asked().items()))
    config = with_values(config, {"results_dir": "results", "tracking.mode": "none", "device": "cpu"})
    trained = run(config)
    assert trained.trained and call("archive.py", ["profile=smoke"], monkeypatch) == 0
    found = run(config)
    assert not found.trained and found.record == trained.record and not Path("results/runs", name).exists()
    capfd.readouterr()
    assert call("status.py", ["profile=smoke"], monkeypatch) == 0
    assert f"{len(asked())} different runs in total, 1 done" in capfd.readouterr().out


def test_conflicts_and_damage_give_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store("results")
    configs = list(asked().values())[:2]
    name = add(store, configs[0])
    assert call("archive.py", ["profile=smoke"], monkeypatch) == 0
    archive = Path("results/archives/smoke.zip")
    archive.rename("away")
    add(store, configs[0])
    path = store.directory(name) / "record.json"
    document: dict[str, Any] = json.loads(path.read_text())
    del document["checksum"], document["array_checksums"]
    document["outcome"]["reason"] = "none is known"
    path.write_text(json.dumps(document))
    damaged = add(store, configs[1])
    np.savez(store.directory(damaged) / "histograms.npz", **{"epoch": HISTOGRAMS["epoch"]})
    Path("away").rename(archive)
    capfd.readouterr()
    assert call("archive.py", ["profile=smoke"], monkeypatch) == 1
    out, _ = capfd.readouterr()
    assert f"  conflicting: {name}: different outcome in {archive}/{name}; both are kept\n" in out
    assert f"  damaged: {damaged}: " in out and "histograms.npz" in out


def test_an_archive_that_cannot_be_written_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = add(Store("results"), next(iter(asked().values())))
    Path("results/archives").mkdir()
    Path("results/archives/smoke.zip").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert call("archive.py", ["profile=smoke"], monkeypatch) == 1
    err = capfd.readouterr().err
    assert err.startswith("error: results/archives/smoke.zip is not an archive") and err.count("\n") == 1
    Path("results/archives/smoke.zip").unlink()
    Path("results/archives").rmdir()
    Path("results/archives").write_text("in the way")
    assert call("archive.py", ["profile=smoke"], monkeypatch) == 2
    err = capfd.readouterr().err
    assert "results/archives is not a directory" in err and err.count("\n") == 1
    Path("results/archives").unlink()
    with Store("results").claim("smoke.zip"):
        assert call("archive.py", ["profile=smoke"], monkeypatch) == 1
    assert "smoke.zip is being written by another process" in capfd.readouterr().err
    assert Store("results").result(name) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["profile=huge"], "profile=huge is unknown; choose one of"),
        (["profil=smoke"], "unknown argument 'profil=smoke'"),
        (["results_dir=5"], "results_dir=5 is not a path"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line_and_nothing_is_written(
    arguments: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call("archive.py", arguments, monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith(f"error: {said}") and err.count("\n") == 1
    assert list(folder.iterdir()) == []
