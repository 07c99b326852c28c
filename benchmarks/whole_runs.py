"""What whole runs cost: a sweep against plain scripts in turn, and what checkpoints and tracking add to a training."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.comparison import Row, Sizes
from benchmarks.pictures import read_folder
from benchmarks.stages import FAST, has_bf16
from scalefree.compose import run_config
from scalefree.launching import LocalSettings, launch
from scalefree.records import Store, run_identity
from scalefree.tracking import start_tracker
from scalefree.training import checkpoint
from scalefree.training.device import describe, synchronize
from scalefree.training.measured import measured
from scalefree.training.task import build_task
from scalefree.training.trainer import CHECKPOINT_SECONDS, Trainer

CIFAR_IMAGES = 50_000


def _plain_runs(folder: Path, sizes: Sizes, device: torch.device) -> tuple[float, float]:
    """Seconds of as many plain scripts as the sweep has runs, one after another with all cores; without their starts.

    Only one is measured, from the start of its process to its end.
    """
    asked = [folder, sizes.sweep_per_class, sizes.depth, sizes.batch_size, device.type, sizes.sweep_epochs]
    command = [sys.executable, "-m", "benchmarks.plain", *map(str, asked)]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    whole = time.perf_counter() - started
    return whole * sizes.sweep_runs, float(done.stdout.split()[-1]) * sizes.sweep_runs


def _sweep_seconds(folder: Path, sizes: Sizes, device: torch.device, precision: str, jobs: int) -> tuple[float, float]:
    """Seconds of a sweep, from its start to its last record; without the start of its processes."""
    with tempfile.TemporaryDirectory() as results:
        common: Row = {
            "dataset": "image_folder",
            "dataset.root": str(folder),
            "dataset.per_class": sizes.sweep_per_class,
            "model.depth": sizes.depth,
            "model.batch_norm": False,
            "optimizer.weight_decay": 5e-5,
            "training.epochs": sizes.sweep_epochs,
            "training.batch_size": sizes.batch_size,
            "precision": precision,
            "tracking": "none",
            "results_dir": results,
        }
        started = time.perf_counter()
        launch(LocalSettings(jobs), [run_config({**common, "seed": seed}) for seed in range(sizes.sweep_runs)])
        whole = time.perf_counter() - started
        return whole, sum(record.timing["wall_seconds"] for record in Store(results).records().values()) / jobs


def sweep(folder: Path, sizes: Sizes, device: torch.device, jobs: int) -> list[Row]:
    """Sweeps against as many runs of the plain script in turn; all include data and evaluation."""
    whole, training = _plain_runs(folder, sizes, device)
    runs = sizes.sweep_runs
    rows: list[Row] = [
        {"what": f"plain script, {runs} in turn (one measured)", "s": whole, "s without starts": training}
    ]
    for precision in dict.fromkeys([FAST[device.type].precision, *(["bf16"] if has_bf16(device) else [])]):
        seconds, busy = _sweep_seconds(folder, sizes, device, precision, jobs)
        rows.append(
            {"what": f"sweep of {runs} in {precision}, {jobs} at a time", "s": seconds, "s without starts": busy}
        )
    for row in rows:
        row |= {"ratio": whole / row["s"], "ratio without starts": training / row["s without starts"]}
    return rows


def overheads(folder: Path, sizes: Sizes, device: torch.device, images_per_second: float) -> list[Row]:
    """What checkpoints and the tracker add to a training on 50,000 images per epoch, as a percentage of its time."""
    with tempfile.TemporaryDirectory() as results:
        config = run_config(
            {
                "dataset": "image_folder",
                "dataset.root": str(folder),
                "model.depth": sizes.depth,
                "model.batch_norm": False,
                "training.batch_size": sizes.batch_size,
                "tracking": "offline",
                "results_dir": results,
                "device": device.type,
            }
        )
        task = build_task(config, read_folder(folder), device)
        with start_tracker(config, Path(results), "benchmark", CIFAR_IMAGES, describe(device)) as tracker:
            trainer = Trainer(task, run_identity(config), Path(results, "checkpoint.pt"), tracker, lambda *_: None)
            for _, _ in zip(range(2), trainer.steps(0, 0), strict=False):
                pass
            distributions = measured(task, 1.0, None)
            metrics = dict.fromkeys(("batch_loss", "eta", "train_loss", "train_error", "test_loss", "test_error"), 0.5)
            saves, tellings = [], []
            for epoch in range(1, 8):
                synchronize(device)
                started = time.perf_counter()
                checkpoint.save(trainer.checkpoint_path, trainer.identity, task, trainer.progress)
                saves.append(time.perf_counter() - started)
                started = time.perf_counter()
                tracker.log_epoch(epoch, metrics, distributions)
                tellings.append(time.perf_counter() - started)
    save, tell = statistics.median(saves), statistics.median(tellings)
    epoch_seconds = CIFAR_IMAGES / images_per_second
    return [
        {"what": what, "ms": 1e3 * seconds, "every, s": every, "per cent": 100 * seconds / every}
        for what, seconds, every in (
            ("a checkpoint", save, CHECKPOINT_SECONDS),
            ("tracking an epoch", tell, epoch_seconds),
        )
    ]
