"""A run from its configuration to its record: trained once, by one process, and again if it failed."""

import dataclasses
import errno
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from conftest import Make
from scalefree.config import ConfigError, RunConfig
from scalefree.data import DatasetError
from scalefree.files import atomic_write
from scalefree.records import Record, Store, describe_outcome, run_identity, run_name, scientific_config
from scalefree.tracking import NullTracker
from scalefree.training import RunBusy, run, trainer
from scalefree.training.task import Task, load_data
from training.reference import RUN_MODULE, train_by_the_book


def failing_at(monkeypatch: pytest.MonkeyPatch, step: int, error: Exception) -> None:
    original = trainer.steps

    def fail(task: Task, epoch: int, start_step: int) -> Iterator[Tensor]:
        for number, loss in enumerate(original(task, epoch, start_step), start_step + 1):
            if number == step:
                raise error
            yield loss

    monkeypatch.setattr(trainer, "steps", fail)


def test_a_run_leaves_a_complete_record(tiny: Make) -> None:
    config = tiny({"dataset.validation_fraction": 0.1, "training.epochs": 3})
    record, trained = run(config)
    assert trained and record.outcome.status == "completed" and record.outcome.step == 3 * 6
    assert record.identity == run_identity(config) and record.name == run_name(config)
    assert record.config == scientific_config(config)
    assert set(record.fingerprints) == {"train", "validation", "test"}
    assert record.environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert {
        "python",
        "commit",
        "device",
        "runner",
        "threads",
        "uncommitted_changes",
    } <= record.environment.keys()
    assert record.timing["images_per_second"] > 0 and record.timing["wall_seconds"] > 0
    curves = Store(config.results_dir).curves(record)
    assert {len(curve) for curve in curves.values()} == {3}
    for name in ("train_loss", "train_error", "validation_error", "test_loss", "test_error", "batch_loss"):
        assert record.final_metrics[f"final_{name}"] == curves[name][-1]
    assert record.final_metrics["lowest_test_error"] == curves["test_error"].min()
    assert record.test_error == record.final_metrics["final_test_error"]
    histograms = Store(config.results_dir).histograms(record)
    assert histograms["epoch"].tolist() == [1, 2, 3]
    assert (histograms["counts/network"].sum(axis=1) == record.parameters).all()
    # Even the largest initial gradients have bins.
    assert histograms["gradient_log2_lower_edge"].tolist() == list(range(-27, 101))
    names = [name.partition("/") for name in histograms if "/" in name]
    for counts in ("counts", "gradient_counts", "parameter_counts"):
        assert {group for head, _, group in names if head == counts} == set(record.update_scale)


def test_final_metrics_match_the_reference(tiny: Make) -> None:
    config = tiny()
    record, _ = run(config)
    expected = train_by_the_book(config)
    assert record.final_metrics["final_test_error"] == pytest.approx(expected.test_error[-1], abs=1e-9)
    assert record.final_metrics["final_train_loss"] == pytest.approx(expected.train_loss[-1], rel=1e-4)


def test_epochs_that_are_not_evaluated_have_no_values(tiny: Make) -> None:
    every = {"training.epochs": 5, "training.evaluate_every": 2}
    sparse, full = tiny(every), tiny({"training.epochs": 5})
    curves = Store(sparse.results_dir).curves(run(sparse).record)
    complete = Store(full.results_dir).curves(run(full).record)
    assert np.isnan(curves["test_error"]).tolist() == [True, False, True, False, False]
    for name in ("test_error", "train_loss"):
        np.testing.assert_array_equal(curves[name][[1, 3, 4]], complete[name][[1, 3, 4]])
    np.testing.assert_array_equal(curves["batch_loss"], complete["batch_loss"])


def test_rerunning_a_finished_run_returns_its_record(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    first = run(config)
    monkeypatch.setattr(RUN_MODULE, "load_data", pytest.fail)
    again = run(config)
    assert first.trained and not again.trained and again.record == first.record


def test_a_record_from_another_machine_needs_neither_its_data_nor_its_device(
    tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny({"precision": "tf32"})
    monkeypatch.setattr(RUN_MODULE, "choose_device", lambda device, precision: torch.device("cpu"))
    record = run(config).record
    monkeypatch.undo()
    monkeypatch.setattr(RUN_MODULE, "load_data", pytest.fail)
    assert run(config) == (record, False)


def test_machine_keys_do_not_change_which_record_is_found(tiny: Make) -> None:
    record, _ = run(tiny({"runner": "fast"}))
    assert run(tiny({"runner": "plain", "device": "auto", "tracking.group": "other"})) == (record, False)


def test_a_run_that_another_process_is_training_is_refused(tiny: Make) -> None:
    config = tiny()
    with Store(config.results_dir).claim(run_name(config)), pytest.raises(RunBusy, match=run_name(config)):
        run(config)
    assert run(config).trained


def test_a_run_finished_by_another_process_before_the_claim_is_found(
    tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny()
    original = RUN_MODULE.load_data
    records = []

    def slow(dataset: Any) -> Any:
        monkeypatch.undo()
        records.append(run(config).record)
        return original(dataset)

    monkeypatch.setattr(RUN_MODULE, "load_data", slow)
    assert run(config) == (records[0], False)


@pytest.mark.parametrize("moment", ["while it trains", "while it writes"])
def test_a_run_that_another_process_finishes_meanwhile_keeps_that_result(
    moment: str, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the owner was suspended until its claim was void, and then continues."""
    config = tiny()
    finished = Store(run_elsewhere(tiny, tmp_path)).directory(run_name(config))
    mine = Store(config.results_dir).directory(run_name(config))
    told: list[Record] = []
    monkeypatch.setattr(NullTracker, "log_record", lambda self, record: told.append(record))
    owner, method = (RUN_MODULE.Trainer, "train") if moment == "while it trains" else (Store, "write")
    original = getattr(owner, method)

    def suspended(*arguments: Any) -> Any:
        shutil.copytree(finished, mine, dirs_exist_ok=True)
        return original(*arguments)

    monkeypatch.setattr(owner, method, suspended)
    record, trained = run(config)
    assert not trained and "in the meantime; its result is kept" in caplog.text
    for path in finished.iterdir():
        assert path.name == "run.log" or (mine / path.name).read_bytes() == path.read_bytes()
    assert record == Store(config.results_dir).read(run_name(config))
    assert len(told) == (moment == "while it writes"), "a result known to be superseded is not sent to wandb"


def run_elsewhere(tiny: Make, folder: Path) -> str:
    """Trains the same run in another store; returns that store."""
    config = tiny({"results_dir": str(folder / "elsewhere")})
    run(config)
    return config.results_dir


def test_a_failure_never_replaces_a_result(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    finished = Store(run_elsewhere(tiny, tmp_path)).directory(run_name(config))

    def fails(self: Any) -> None:
        shutil.copytree(finished, Store(config.results_dir).directory(run_name(config)), dirs_exist_ok=True)
        raise RuntimeError("the network is gone")

    monkeypatch.setattr(RUN_MODULE.Trainer, "train", fails)
    with pytest.raises(RuntimeError, match="the network is gone"):
        run(config)
    assert Store(config.results_dir).read(run_name(config)) == Store(finished.parents[1]).read(run_name(config))


def test_a_long_traceback_keeps_its_end(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    failing_at(monkeypatch, 4, RuntimeError("x" * 1_000_000 + "the end"))
    with pytest.raises(RuntimeError):
        run(config)
    (failed,) = Store(config.results_dir).records().values()
    assert failed.outcome.reason.endswith("the end\n") and len(failed.outcome.reason) <= 100_000


def test_a_failure_is_recorded_with_its_traceback_and_can_be_retried(
    tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny()
    failing_at(monkeypatch, 4, RuntimeError("CUDA out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        run(config)
    store = Store(config.results_dir)
    (failed,) = store.records().values()
    assert failed.outcome.status == "failed" and failed.final_metrics == {"final_test_error": None}
    assert "Traceback" in failed.outcome.reason and "in fail" in failed.outcome.reason
    assert describe_outcome(failed) == "failed: RuntimeError: CUDA out of memory"
    monkeypatch.undo()
    record, trained = run(config)
    assert trained and record.outcome.status == "completed"
    assert store.records() == {record.identity: record}


def full_disk_for(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Makes writing files with these names in the store fail."""

    def write(path: Path) -> Any:
        if path.name in names:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return atomic_write(path)

    monkeypatch.setattr("scalefree.records.store.atomic_write", write)


def test_a_full_disk_is_a_failure_with_its_reason_and_not_a_result(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = tiny()
    full_disk_for(monkeypatch, "record.json")
    with pytest.raises(OSError, match="No space left"):
        run(config)
    assert "could not be recorded" in caplog.text
    assert Store(config.results_dir).records() == {}
    monkeypatch.undo()
    original = RUN_MODULE.Store.write
    attempts = []

    def fails_once(self: Store, *arguments: Any) -> Any:
        attempts.append(arguments)
        if len(attempts) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, *arguments)

    monkeypatch.setattr(Store, "write", fails_once)
    with pytest.raises(OSError, match="No space left"):
        run(config)
    (failed,) = Store(config.results_dir).records().values()
    assert failed.outcome.status == "failed" and "No space left" in failed.outcome.reason
    monkeypatch.undo()
    assert run(config).record.outcome.status == "completed"


def test_an_impossible_results_folder_is_refused(tiny: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="file is not a directory"):
        run(tiny({"results_dir": str(tmp_path / "file")}))
    assert (tmp_path / "file").read_text() == "in the way"


def test_progress_is_logged_in_a_few_lines(tiny: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run(tiny({"training.epochs": 12, "training.evaluate_every": 4}))
    lines = [record.message for record in caplog.records if " epoch " in record.message]
    assert 2 <= len(lines) <= 7 and "epoch 12/12" in lines[-1] and "test error" in lines[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of grey 8x8 images, each with twelve training and four test images."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for name in ("cat", "dog"):
            place = tmp_path / "images" / split / name
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(place / f"{number}.png")
    return tmp_path / "images"


def of_folder(tiny: Make, folder: Path, **values: Any) -> RunConfig:
    return tiny({"dataset": "image_folder", "dataset.root": str(folder), "dataset.per_class": None, **values})


def test_an_image_folders_content_is_part_of_its_runs_identity(tiny: Make, folder: Path) -> None:
    record, trained = run(of_folder(tiny, folder))
    assert trained and record.config["dataset"]["fingerprint"]
    moved = folder.rename(folder.with_name("moved"))
    assert run(of_folder(tiny, moved)) == (record, False)
    (moved / "train" / "cat" / "0.png").unlink()
    other, trained = run(of_folder(tiny, moved))
    assert trained and other.identity != record.identity


def test_held_out_images_are_part_of_the_identity_too(tiny: Make, folder: Path) -> None:
    """They decide which cell is best, so two folders that differ only in them are different runs."""
    config = of_folder(tiny, folder, **{"dataset.validation_fraction": 0.5})
    dataset = load_data(config.dataset)
    assert dataset.validation is not None
    twin = dataclasses.replace(dataset, validation=dataclasses.replace(dataset.validation, fingerprint="0" * 64))
    identities = [run_identity(RUN_MODULE.resolve(config, data)) for data in (dataset, twin)]
    assert identities[0] != identities[1]


def test_images_with_another_fingerprint_than_given_are_refused(tiny: Make, folder: Path) -> None:
    record, _ = run(of_folder(tiny, folder))
    fingerprint = record.config["dataset"]["fingerprint"]
    assert run(of_folder(tiny, folder, **{"dataset.fingerprint": fingerprint})) == (record, False)
    with pytest.raises(ValueError, match=f"does not contain the images of .*its fingerprint is {fingerprint}"):
        run(of_folder(tiny, folder, **{"dataset.fingerprint": "0" * 12}))


def test_a_bad_folder_is_refused_before_anything_is_written(tiny: Make, folder: Path) -> None:
    (folder / "train" / "cat" / "3.png").write_bytes(b"no image")
    config = of_folder(tiny, folder)
    with pytest.raises(DatasetError, match=r"3\.png"):
        run(config)
    assert not Path(config.results_dir).exists()
