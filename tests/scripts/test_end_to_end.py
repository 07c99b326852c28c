"""A multirun of eight, and the smallest profile from nothing to figures, claims and status."""

import json
from pathlib import Path

import pytest

from scripts.running import run_script


def test_a_multirun_gives_a_record_and_a_wandb_run_each(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sweep = [
        "-m",
        "model.depth=8,14",
        "optimizer=adaml2,adamw",
        "optimizer.weight_decay=0,1e-4",
        "model.width=4",
        "dataset.per_class=8",
        "training.epochs=1",
        f"results_dir={tmp_path}",
    ]
    assert run_script(monkeypatch, "train.py", *sweep) == 0
    records = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/record.json")]
    asked = {
        (r["config"]["model"]["depth"], r["config"]["optimizer"]["name"], r["config"]["optimizer"]["weight_decay"])
        for r in records
    }
    assert len(records) == len(asked) == 8
    assert {r["outcome"]["status"] for r in records} == {"completed"}
    tracked = sorted(path.name.rpartition("-")[2] for path in tmp_path.glob("wandb/offline-run-*"))
    assert tracked == sorted(r["identity"] for r in records)
    assert not list(tmp_path.glob("locks/*"))

    capfd.readouterr()
    assert run_script(monkeypatch, "train.py", *sweep) == 0
    assert capfd.readouterr().out.count("done already") == 8


def test_one_bad_run_of_a_multirun_costs_only_itself(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["-m", "model.depth=8,9", "model.width=4", "dataset.per_class=8", "training.epochs=1", "tracking=none"]
    assert run_script(monkeypatch, "train.py", *arguments, f"results_dir={tmp_path}") == 2
    assert "model.depth=9 is no CIFAR ResNet depth" in capfd.readouterr().err
    assert len(list(tmp_path.glob("runs/*/record.json"))) == 1


def test_the_smoke_profile_from_nothing_and_again(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["profile=smoke", f"results_dir={tmp_path}", "jobs=2", "tracking=none"]
    assert run_script(monkeypatch, "reproduce.py", *arguments) == 0
    first = capfd.readouterr().out
    figures = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.glob("figures/*/*")}
    for name in ("without_bn", "with_bn", "prox_equivalence", "depth"):
        assert str(tmp_path / "figures" / "smoke" / f"{name}.png") in first
        assert Path(f"figures/smoke/{name}.pdf") in figures
    verdicts = json.loads((tmp_path / "claims" / "smoke.json").read_text())
    assert verdicts and (tmp_path / "claims" / "smoke.md").exists()

    assert run_script(monkeypatch, "reproduce.py", *arguments) == 0
    again = capfd.readouterr().out
    runs = len(list(tmp_path.glob("runs/*/record.json")))
    assert f"{runs} trained" in first and f"{runs} already done" in again
    assert figures == {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.glob("figures/*/*")}

    assert run_script(monkeypatch, "status.py", *arguments[:2]) == 0
    assert f"all together {runs} different runs, {runs} done" in capfd.readouterr().out
