"""Full and read-only disks: the run fails, is never taken for done, and the same command finishes it."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import suite
from conftest import Make
from data.conftest import write_folder
from faults.journals import files_of, result, whole
from scalefree.config import RunConfig
from scalefree.records import Record, Store, run_name
from scalefree.report import page
from scalefree.training import checkpoint, run, trainer
from scripts.entry import call
from training.disturbed import after_save
from training.reference import trainer_of

PAGE = 4096
# The values of `tiny` as arguments, with one epoch.
SHORT = (
    "model.depth=8",
    "model.width=4",
    "model.batch_norm=false",
    "optimizer.weight_decay=1e-3",
    "training.epochs=1",
    "training.batch_size=32",
    "tracking=none",
    "device=cpu",
)


class Disk:
    """A mounted file system of two megabytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.root)], check=True, capture_output=True)

    def fill(self, free_pages: int) -> None:
        """Leaves only this many pages of 4096 bytes free."""
        available = os.statvfs(self.root)
        with (self.root / "filler").open("wb") as file:
            file.write(bytes(available.f_bavail * available.f_frsize - free_pages * PAGE))

    def make_space(self) -> None:
        (self.root / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    try:
        disk.mount("-t", "tmpfs", "-o", "size=2m", "tmpfs")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here, which needs root: {error}")
    yield disk
    subprocess.run(["umount", str(disk.root)], check=True)


def on(disk: Disk, tiny: Make, **values: Any) -> RunConfig:
    return tiny({"results_dir": str(disk.root / "results"), **values})


def elsewhere(tiny: Make, **values: Any) -> dict[str, Any]:
    """The result of the run on a disk with space."""
    config = tiny(values)
    run(config)
    return result(config)


def assert_failed(config: RunConfig, number: int) -> Record | None:
    """The run ends with the system's error; its record, if there was space for one, says failed."""
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        run(config)
    assert raised.value.errno == number
    record = Store(config.results_dir).read(run_name(config))
    assert record is None or (record.outcome.status == "failed" and os.strerror(number) in record.outcome.reason)
    left = files_of(config.results_dir)
    assert not [file for file in left if file.endswith(".tmp") or file.startswith("locks/")]
    return record


@pytest.mark.parametrize("free_pages", [0, 1, 2, 8])
@pytest.mark.parametrize("checkpoints", [True, False], ids=["at the checkpoint", "at the record"])
def test_a_run_on_a_full_disk_fails_and_finishes_once_there_is_space(
    checkpoints: bool, free_pages: int, disk: Disk, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a checkpoint after every step, or none; the first needs 16 pages, the record's files one page each."""
    expected = elsewhere(tiny)
    if checkpoints:
        monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    config = on(disk, tiny)
    disk.fill(free_pages)
    if checkpoints or free_pages < 3:
        record = assert_failed(config, errno.ENOSPC)
        assert (record is not None) == (free_pages == 8), "the reason is recorded if there is space for it"
    disk.make_space()
    run(config)
    assert result(config) == expected
    assert files_of(config.results_dir) == whole(config)


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(
    disk: Disk, tiny: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = elsewhere(tiny)
    config = on(disk, tiny)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    saves = after_save(monkeypatch, 3, lambda: disk.fill(8))
    record = assert_failed(config, errno.ENOSPC)
    assert record is not None and saves() == 3
    saved = Store(config.results_dir).directory(record.name) / "checkpoint.pt"
    assert trainer_of(config, saved).steps_taken == 3
    disk.make_space()
    with caplog.at_level("INFO"):
        run(config)
    assert "resumes after step 3" in caplog.text
    assert result(config) == expected and files_of(config.results_dir) == whole(config)


def test_a_read_only_store_serves_finished_runs_and_fails_missing_ones(disk: Disk, tiny: Make) -> None:
    """Missing ones fail with the reason, and are trained once the store can be written."""
    done, missing = on(disk, tiny), on(disk, tiny, seed=1)
    run(done)
    # As left by a process that was killed right after its record was in place.
    left = Store(done.results_dir).directory(run_name(done)) / "checkpoint.pt"
    left.write_bytes(b"left behind")
    before = files_of(done.results_dir)
    disk.mount("-o", "remount,ro")
    assert not run(done).trained
    with pytest.raises(OSError, match="Read-only file system"):
        run(missing)
    assert files_of(done.results_dir) == before
    disk.mount("-o", "remount,rw")
    assert run(missing).trained and not run(done).trained
    assert files_of(done.results_dir) == whole(done) | whole(missing)
    assert result(missing) == elsewhere(tiny, seed=1)


@pytest.fixture
def read_only(disk: Disk, tiny: Make, tmp_path: Path) -> tuple[str, RunConfig, RunConfig]:
    """A store that has become read-only: its root and its two finished runs, one of an image folder."""
    digits = on(disk, tiny, **{"training.epochs": 1})
    write_folder(tmp_path / "images")
    values = {"dataset": "image_folder", "dataset.root": str(tmp_path / "images"), "dataset.per_class": None}
    folder = on(disk, tiny, **values, **{"training.epochs": 1})
    run(digits)
    run(folder)
    disk.mount("-o", "remount,ro")
    return digits.results_dir, digits, folder


def test_every_script_finds_the_runs_of_a_read_only_store(
    read_only: tuple[str, RunConfig, RunConfig], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An image folder's run has a name that depends on its images; a multirun writes no files of its own."""
    results, _, folder = read_only
    before = files_of(results)
    assert not run(folder).trained
    root = f"dataset.root={folder.dataset.root}"
    known = [*SHORT, "dataset=digits", "dataset.per_class=20", f"results_dir={results}"]
    images = [*SHORT, "dataset=image_folder", root, f"results_dir={results}"]
    for arguments in (known, images, ["-m", "hydra/launcher=basic", *known], ["-m", "hydra/launcher=basic", *images]):
        assert call("train.py", arguments, monkeypatch) == 0
        out, err = capfd.readouterr()
        assert "already done" in out and err == ""
    assert call("train.py", ["-m", "hydra.launcher.jobs=1", *known], monkeypatch) == 0
    assert capfd.readouterr().out.startswith("1 already done\n")
    assert call("status.py", ["profile=smoke", f"results_dir={results}"], monkeypatch) == 0
    assert call("merge.py", [results, f"results_dir={results}"], monkeypatch) == 0
    assert "2 identical" in capfd.readouterr().out
    assert files_of(results) == before


def test_writing_to_a_read_only_store_is_a_one_line_error(
    read_only: tuple[str, RunConfig, RunConfig], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    results, _, _ = read_only
    store = f"results_dir={results}"
    monkeypatch.setattr(page, "render", lambda profile, results_dir: "<!doctype html>")
    monkeypatch.setattr(suite, "run", lambda *arguments, keep: keep({}))
    for script, arguments, named in (
        ("train.py", [*SHORT, "seed=1", store], "locks"),
        ("figures.py", ["profile=smoke", "figure=depth", store], "figures"),
        ("report.py", ["profile=smoke", store], "report"),
        ("benchmark.py", [store], "benchmarks"),
    ):
        assert call(script, arguments, monkeypatch) == 1
        _, err = capfd.readouterr()
        assert err.startswith("error: ") and err.count("\n") == 1 and f"{results}/{named}" in err, script
        assert "Read-only file system" in err


def test_a_run_is_refused_before_training_if_its_record_cannot_be_written(
    tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in another user's folder; root may write everywhere, so the system's answer is faked."""
    config = tiny()
    monkeypatch.setattr(os, "access", lambda path, mode: run_name(config) not in str(path))
    with pytest.raises(PermissionError, match=r"its record could not be.*umask 002"):
        run(config)
    assert files_of(config.results_dir) == set()


def test_a_store_that_becomes_read_only_keeps_the_last_checkpoint(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, since with an open lock only a disk error makes a file system read-only."""
    config = tiny()
    saves = 0

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    save = checkpoint.save

    def and_end(*arguments: Any) -> None:
        nonlocal saves
        save(*arguments)
        saves += 1
        if saves == 4:
            monkeypatch.setattr(checkpoint, "atomic_write", refuse)
            monkeypatch.setattr("scalefree.records.store.atomic_write", refuse)
            monkeypatch.setattr(os, "unlink", refuse)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
        patch.setattr(checkpoint, "save", and_end)
        with pytest.raises(OSError, match="Read-only file system"):
            run(config)
    monkeypatch.undo()
    store = Store(config.results_dir)
    assert store.records() == {} and saves == 4
    assert trainer_of(config, store.directory(run_name(config)) / "checkpoint.pt").steps_taken == 4
    with store.claim(run_name(config)) as mine:
        assert mine, "the lock ended with the run"
    run(config)
    assert result(config) == elsewhere(tiny, results_dir=str(store.root.with_name("elsewhere")))
    assert files_of(config.results_dir) == whole(config)
