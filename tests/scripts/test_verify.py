"""verify.py: real records trained again in this process, its output and its exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalefree.config import with_values
from scalefree.experiments import load_experiment, runs_of
from scalefree.launching import jobs
from scalefree.launching.reports import Report, Sweep
from scalefree.launching.worker import train_one
from scalefree.records import Store
from scalefree.records.archiving import move
from scalefree.training import run
from scripts.entry import call

RUNS = {name: config for name, (config, _) in runs_of([load_experiment("with_bn", "smoke")]).items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three records of the smoke profile."""
    root = tmp_path_factory.mktemp("trained")
    for config in RUNS.values():
        run(with_values(config, {"results_dir": str(root), "tracking.mode": "none", "device": "cpu"}))
    return root


@pytest.fixture
def results(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same records in the test's own store; trainings stay in this process."""

    def sweep(configs: Any, *_: Any) -> Sweep:
        return Sweep([train_one(config) for config in configs])

    monkeypatch.setattr(jobs, "sweep", sweep)
    monkeypatch.chdir(tmp_path)
    store = Store("results")
    for name in RUNS:
        whole = Store(trained).whole(name)
        assert whole is not None
        store.write(*whole)
    return store


def edit(store: Store, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a record's document, and removes its checksums."""
    path = store.directory(name) / "record.json"
    document = json.loads(path.read_text())
    del document["checksum"], document["array_checksums"]
    change(document)
    path.write_text(json.dumps(document))


def verify(*arguments: str, patch: pytest.MonkeyPatch) -> int:
    return call("verify.py", ["profile=smoke", "jobs=1", *arguments], patch)


def test_sound_records_are_reproduced_bit_for_bit(
    results: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    move(results, "smoke", RUNS)
    before = (results.archives / "smoke.zip").read_bytes()
    assert verify("runs=2", "seed=7", patch=monkeypatch) == 0
    first = capfd.readouterr().out
    assert "verifying 2 of the 3 records of profile smoke, chosen with seed=7\n" in first
    assert first.endswith("of 2 records: 2 equal bit for bit\n") and first.count(": equal bit for bit\n") == 2
    drawn = {line.split(":")[0].strip() for line in first.splitlines() if line.endswith(": equal bit for bit")}
    assert drawn < RUNS.keys()
    assert (results.archives / "smoke.zip").read_bytes() == before and list((results.root / "runs").iterdir()) == []


def test_the_seed_decides_which_records_are_drawn_and_any_can_be(
    results: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def untrained(configs: Any, *_: Any) -> Sweep:
        return Sweep([Report(str(config.seed), "failed", "not tried", 0.0) for config in configs])

    monkeypatch.setattr(jobs, "sweep", untrained)
    drawn: list[str] = []
    names: list[set[str]] = []
    monkeypatch.setattr(Store, "whole", lambda store, name: drawn.append(name))
    for seed in [*range(1, 13), 1]:
        drawn.clear()
        assert verify("runs=1", f"seed={seed}", patch=monkeypatch) == 1, "nothing was trained"
        names.append(set(drawn))
        assert "1 not trained" in capfd.readouterr().out
    assert set.union(*names) == RUNS.keys() and names[0] == names[-1] and {len(each) for each in names} == {1}


def test_a_record_that_is_not_reproduced_gives_exit_code_1(
    results: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = min(RUNS)

    def shifted(document: dict[str, Any]) -> None:
        document["update_scale"]["network"]["q50"] += 1e-12

    edit(results, name, shifted)
    assert verify("runs=99", patch=monkeypatch) == 1
    out = capfd.readouterr().out
    assert f"  {name}: different: different update_scale on the same device and build; test error" in out
    assert out.endswith("of 3 records: 2 equal bit for bit, 1 different\n")


def test_a_record_from_another_machine_is_not_judged_without_replicas(
    results: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = min(RUNS)

    def elsewhere(document: dict[str, Any]) -> None:
        document["update_scale"]["network"]["q50"] += 1e-12
        document["environment"]["packages"]["torch"] = "2.11.0"

    edit(results, name, elsewhere)
    assert verify("runs=3", patch=monkeypatch) == 0
    out = capfd.readouterr().out
    assert f"  {name}: another device or build, and too few replicas to judge: different torch; test error" in out
    assert out.endswith("of 3 records: 2 equal bit for bit, 1 another device or build, and too few replicas to judge\n")


def test_a_run_is_trained_with_its_records_device_and_runner(
    results: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[str, str, str]] = []

    def sweep(configs: Any, *_: Any) -> Sweep:
        seen.extend((config.device, config.runner, config.tracking.mode) for config in configs)
        assert not any(Path(config.results_dir).resolve().is_relative_to(Path.cwd()) for config in configs)
        return Sweep([Report("label", "failed", "not tried", 0.0) for _ in configs])

    monkeypatch.setattr(jobs, "sweep", sweep)
    edit(results, min(RUNS), lambda document: document["environment"].update(runner="plain"))
    edit(results, max(RUNS), lambda document: document["environment"].update(device="NVIDIA H100"))
    assert verify("runs=3", patch=monkeypatch) == 1
    assert sorted(seen) == [("auto", "auto", "none"), ("cpu", "auto", "none"), ("cpu", "plain", "none")]
    assert "of 3 records: 0 equal bit for bit, 3 not trained" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["profile=huge"], "profile=huge is unknown; choose one of"),
        (["runs=0"], "runs=0 is impossible; it must be a whole number from 1 to"),
        (["seed=x"], "seed=x is impossible; it must be a whole number from 1 to"),
        (["dataset_root=nowhere"], "dataset_root=nowhere does not exist; name the folder"),
        (["run=5"], "unknown argument 'run=5'"),
        (["results_dir=nowhere"], "nowhere has no results for profile=digits; train some first"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line_and_nothing_is_trained(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("verify.py", arguments, monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith(f"error: {said}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_damaged_histograms_are_refused_before_anything_is_trained(
    results: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def trained(*_: Any) -> Sweep:
        raise AssertionError("trained")

    monkeypatch.setattr(jobs, "sweep", trained)
    path = results.directory(min(RUNS)) / "histograms.npz"
    path.write_bytes(path.read_bytes()[:-9])
    assert verify("runs=3", patch=monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and f"{path} is damaged" in err
