"""How a multirun ends: with a table and figures, neither of which can make it fail."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import scalefree.figures
from conftest import Make
from report.hand_made import put
from report.hand_made import record as hand_made
from scalefree.config import RunConfig, with_values
from scalefree.experiments.survey import survey
from scalefree.launching import conclude
from scalefree.launching.ending import folder_of, name_of, results_for
from scalefree.records import Outcome, Store
from scripts.entry import ENVIRONMENT


@pytest.fixture
def done(tiny: Make) -> list[RunConfig]:
    """Two decays times two seeds; the store has results of three, and one failed."""
    configs = [
        tiny({"optimizer.weight_decay": decay, "seed": seed, "training.epochs": 2})
        for decay in (1e-3, 1e-2) for seed in (0, 1)
    ]  # fmt: skip
    store = Store(configs[0].results_dir)
    for index, config in enumerate(configs[:3]):
        put(store, hand_made(config, 0.2 + 0.1 * index))
    put(store, hand_made(configs[3], outcome=Outcome("failed", 0, "full"), final_metrics={"final_test_error": None}))
    return configs


def test_a_multirun_ends_with_a_table_and_figures(done: list[RunConfig], capsys: pytest.CaptureFixture[str]) -> None:
    conclude(done)
    said = capsys.readouterr().out
    assert "weight_decay" in said and "25.00" in said and "<- best" in said
    assert "1 of 4 runs has no result, it failed" in said
    (folder,) = (Path(done[0].results_dir) / "figures" / "sweeps").iterdir()
    assert folder.name.startswith("weight_decay-") and (folder / "sweep.png").stat().st_size > 10_000
    # The same sweep uses the same folder.
    conclude(done)
    assert list(folder.parent.iterdir()) == [folder]


def test_an_experiments_folder_is_named_after_it(done: list[RunConfig]) -> None:
    conclude(done, ("corners", "quick"))
    assert (Path(done[0].results_dir) / "figures" / "sweeps" / "corners_quick" / "sweep.pdf").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError(), KeyboardInterrupt()])
def test_an_error_while_drawing_is_not_a_failure(
    error: BaseException, done: list[RunConfig], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(scalefree.figures, "draw_survey", fail)
    conclude(done)
    said = capsys.readouterr().out
    assert "25.00" in said and "the results are in the store" in said.splitlines()[-1]


def test_a_damaged_record_is_not_a_failure_either(done: list[RunConfig], capsys: pytest.CaptureFixture[str]) -> None:
    for path in Path(done[0].results_dir).glob("runs/*seed0*/record.json"):
        path.write_text("{")
    conclude(done)
    assert "runs have no result" in capsys.readouterr().out


def test_without_results_a_line_says_so(tiny: Make, capsys: pytest.CaptureFixture[str]) -> None:
    conclude([tiny()])
    assert capsys.readouterr().out.startswith("no run has a result yet")


def test_each_store_has_its_own_figures(tiny: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configs = [with_values(tiny(), {"results_dir": str(tmp_path / name)}) for name in "ab"]
    for config in configs:
        put(Store(config.results_dir), hand_made(config, 0.2))
    conclude(configs)
    assert capsys.readouterr().out.count("figures, each") == 2


def test_runs_of_an_image_folder_are_found_without_knowing_its_fingerprint(tiny: Make) -> None:
    asked = tiny({"dataset": "image_folder", "dataset.root": "somewhere", "dataset.per_class": None})
    store = Store(asked.results_dir)
    read = with_values(asked, {"dataset.fingerprint": "aa11aa11aa11-bb22bb22bb22"})
    put(store, hand_made(read, 0.2))
    (found,), _ = results_for([asked], store)
    assert found.record is not None and found.config.dataset.fingerprint is not None
    (missing,), _ = results_for([with_values(asked, {"seed": 5})], store)
    assert missing.record is None


@pytest.mark.parametrize(("folder", "found"), [("somewhere", True), ("elsewhere", False)])
def test_the_runs_of_another_image_folder_are_not_found(folder: str, found: bool, tiny: Make) -> None:
    asked = tiny({"dataset": "image_folder", "dataset.root": "any/somewhere", "dataset.per_class": None})
    store = Store(asked.results_dir)
    read = with_values(asked, {"dataset.fingerprint": "aa11aa11aa11-bb22bb22bb22"})
    put(store, hand_made(read, 0.2, environment={"device": "cpu: A", "dataset_root": folder}))
    (result,), _ = results_for([asked], store)
    assert (result.record is not None) == found


def test_different_names_have_different_folders() -> None:
    """Even if they are long, or differ only in what a folder's name cannot have."""
    store, long = Store("anywhere"), "where=" + "x" * 200
    names = ["a_b", "a b", "a/b", long, long + "y"]
    folders = {folder_of(store, name) for name in names}
    assert len(folders) == len(names) and all(len(folder.name) <= 100 for folder in folders)
    assert folder_of(store, "a_b").name == "a_b"


def test_names_are_safe_as_folder_names(done: list[RunConfig]) -> None:
    store = Store(done[0].results_dir)
    results, failures = results_for(done, store)
    assert name_of(survey({"": results}, store, failures)).startswith("weight_decay-")
    assert folder_of(store, "[a=b, c]/../x").name.startswith("a=b-c-..-x-")


def test_matplotlib_is_imported_only_for_drawing() -> None:
    code = (
        "import sys, scalefree.launching, hydra_plugins.scalefree_launchers, scalefree.training\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT).returncode == 0
