"""merge.py: its output, exit codes and refusals."""

from pathlib import Path

import numpy as np
import pytest

from records.made_up import CURVES, HISTOGRAMS, record
from scalefree.compose import run_config
from scalefree.records import Record, Store
from scripts.entry import call


def add(root: Path, seed: int, train_loss: float = 0.25) -> Record:
    made = record(run_config({"seed": seed}))
    Store(root).write(made, {**CURVES, "train_loss": np.array([train_loss, 0.1 + 0.2])}, HISTOGRAMS)
    return made


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_records_are_added_and_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    made = [add(Path("other"), seed) for seed in (0, 1)]
    assert call("merge.py", ["other"], monkeypatch) == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[0] == "from other to results: 2 added" and err == ""
    assert all(f"  added: {each.name}\n" in out for each in made)
    assert call("merge.py", ["other", "results_dir=results"], monkeypatch) == 0
    assert capfd.readouterr().out == "from other to results: 2 identical\n"
    assert Store("results").records() == Store("other").records()


def test_a_tilde_means_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder / "home"))
    add(folder / "home" / "other", 0)
    assert call("merge.py", ["~/other", "results_dir=~/mine"], monkeypatch) == 0
    assert len(Store(folder / "home" / "mine").records()) == 1 and [path.name for path in folder.iterdir()] == ["home"]


def test_conflicts_and_damage_give_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    add(Path("other"), 0, train_loss=0.5)
    conflicting = add(Path("mine"), 0)
    assert call("merge.py", ["other", "results_dir=mine"], monkeypatch) == 1
    assert f"conflicting: {conflicting.name}: different curves/train_loss" in capfd.readouterr().out
    damaged = Path("other", "runs", conflicting.name, "record.json")
    damaged.write_text("{")
    assert call("merge.py", ["other", "results_dir=new"], monkeypatch) == 1
    assert str(damaged) in capfd.readouterr().out and not Path("new").exists()


def test_an_unwritable_store_gives_exit_code_1_or_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    add(Path("other"), 0)
    Path("results").mkdir()
    Path("results/locks").write_text("in the way")
    assert call("merge.py", ["other"], monkeypatch) == 1
    assert capfd.readouterr().err.startswith("error: ")
    Path("results/runs").write_text("in the way")
    assert call("merge.py", ["other"], monkeypatch) == 2, "refused before any work"
    assert "results/runs is not a directory" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the other store"),
        (["results_dir=results"], "results_dir=results is not a store of records"),
        (["--help"], "name the other store"),
        (["nowhere"], "nowhere is not a store of records"),
        (["other", "result_dir=x"], "unknown argument 'result_dir=x'"),
        (["other", "results_dir=5"], "results_dir=5 is not a path; write ./5 if"),
        (
            ["other", "results_dir=~no-such-user"],
            "results_dir=~no-such-user: there is no such home folder",
        ),
        (["1e-3"], "OTHER_STORE=1e-3 is not a path"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line_and_nothing_is_written(
    arguments: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call("merge.py", arguments, monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith(f"error: {said}") and err.count("\n") == 1
    assert list(folder.iterdir()) == []
