"""The measurements, each as rows of plain values."""

import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.pictures import read_folder
from benchmarks.plain import run_seconds
from benchmarks.process import Measured, Subject
from benchmarks.stages import FAST, SCRIPT, Stage
from scalefree.compose import run_config
from scalefree.launching import LocalSettings, launch
from scalefree.records import Store, run_identity
from scalefree.tracking import start_tracker
from scalefree.training import checkpoint
from scalefree.training.device import describe, synchronize
from scalefree.training.task import build_task
from scalefree.training.trainer import CHECKPOINT_SECONDS, Trainer

Row = dict[str, Any]

CIFAR_IMAGES = 50_000


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the defaults are a CPU's, where a step takes most of a second.

    Attributes:
        train, test: images that are made.
        steps: of one measurement; every stage is measured `repetitions` times, taking turns.
        at_once: numbers of simultaneous runs.
        sweep_runs, sweep_per_class, sweep_epochs: the sweep against the plain script one after another.
    """

    train: int = 5120
    test: int = 1000
    batch_size: int = 128
    depth: int = 20
    steps: int = 3
    repetitions: int = 3
    depths: tuple[int, ...] = (20, 38, 56)
    at_once: tuple[int, ...] = (1, 2)
    sweep_runs: int = 12
    sweep_per_class: int = 100
    sweep_epochs: int = 1


CUDA_SIZES = Sizes(
    train=25_600,
    test=10_000,
    steps=100,
    depths=(20, 56, 110),
    at_once=(1, 2, 4, 8, 16),
    sweep_per_class=2560,
    sweep_epochs=2,
)


def take_turns(measured: Sequence[Measured], steps: int, repetitions: int) -> list[list[float]]:
    """Images a second of each, `repetitions` times, one after another in turn: the machine's moods hit all alike."""
    rates: list[list[float]] = [[] for _ in measured]
    for _ in range(repetitions):
        for one, found in zip(measured, rates, strict=True):
            one.ask(steps)
            found.append(one.answer())
    return rates


def stages(chosen: Iterable[Stage], folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One row a stage: median, spread, ratio to the plain script, peak memory."""
    measured = [Measured(Subject(stage, folder, sizes.depth, sizes.batch_size, device.type)) for stage in chosen]
    for one in measured:
        one.ready()
    rates = take_turns(measured, sizes.steps, sizes.repetitions)
    first = statistics.median(rates[0])
    return [
        {
            "stage": one.subject.stage.name,
            "images/s": statistics.median(found),
            "lowest": min(found),
            "highest": max(found),
            "times plain script": statistics.median(found) / first,
            "peak MB": one.close() / 1e6,
        }
        for one, found in zip(measured, rates, strict=True)
    ]


def runs_at_once(folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One row a number of simultaneous runs: images a second of all together, and of the slowest."""
    count = max(sizes.at_once)
    measured = [
        Measured(Subject(FAST[device.type], folder, sizes.depth, sizes.batch_size, device.type, core))
        for core in range(count)
    ]
    for one in measured:
        one.ready()
    rows: list[Row] = []
    for k in sizes.at_once:
        totals, slowest = [], []
        for _ in range(sizes.repetitions):
            for one in measured[:k]:
                one.ask(2 * sizes.steps)
            rates = [one.answer() for one in measured[:k]]
            totals.append(sum(rates))
            slowest.append(min(rates))
        together = statistics.median(totals)
        rows.append({"runs at once": k, "images/s together": together, "images/s slowest": statistics.median(slowest)})
    for one in measured:
        one.close()
    for row in rows:
        row["times one run"] = row["images/s together"] / rows[0]["images/s together"]
    return rows


def depths(folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One row a depth: the plain script and the fast path side by side."""
    rows = []
    for depth in sizes.depths:
        pair = [
            Measured(Subject(stage, folder, depth, sizes.batch_size, device.type))
            for stage in (SCRIPT, FAST[device.type])
        ]
        for one in pair:
            one.ready()
        script, fast = map(statistics.median, take_turns(pair, max(1, sizes.steps - 1), sizes.repetitions))
        for one in pair:
            one.close()
        rows.append(
            {
                "depth": depth,
                "plain script, ms a step": 1e3 * sizes.batch_size / script,
                "fast, ms a step": 1e3 * sizes.batch_size / fast,
                "ratio": fast / script,
            }
        )
    return rows


def sweep(folder: Path, sizes: Sizes, device: torch.device, jobs: int) -> list[Row]:
    """A sweep, from its start to its last record, against the plain script's runs one after another.

    The plain script is given all cores and is measured once, without its start; the sweep's time has its processes'
    start.
    """
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
            "precision": FAST[device.type].precision,
            "tracking": "none",
            "results_dir": results,
        }
        started = time.perf_counter()
        launch(LocalSettings(jobs), [run_config({**common, "seed": seed}) for seed in range(sizes.sweep_runs)])
        whole = time.perf_counter() - started
        busy = sum(record.timing["wall_seconds"] for record in Store(results).records().values()) / jobs
    dataset = read_folder(folder, sizes.sweep_per_class)
    alone = run_seconds(dataset, sizes.depth, sizes.batch_size, device, sizes.sweep_epochs) * sizes.sweep_runs
    return [
        {"what": f"plain script, {sizes.sweep_runs} runs in turn (one measured)", "seconds": alone, "ratio": 1.0},
        {"what": f"sweep of {sizes.sweep_runs}, {jobs} at a time", "seconds": whole, "ratio": alone / whole},
        {"what": "the same without the start of its processes", "seconds": busy, "ratio": alone / busy},
    ]


def overheads(folder: Path, sizes: Sizes, device: torch.device, images_per_second: float) -> list[Row]:
    """What checkpoints and the tracker add to a training on 50,000 images an epoch, in per cent of its time."""
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
            measured = task.measure()
            metrics = dict.fromkeys(("batch_loss", "eta", "train_loss", "train_error", "test_loss", "test_error"), 0.5)
            saves, logs = [], []
            for epoch in range(1, 8):
                synchronize(device)
                started = time.perf_counter()
                checkpoint.save(trainer.checkpoint_path, trainer.identity, task, trainer.progress)
                saves.append(time.perf_counter() - started)
                started = time.perf_counter()
                tracker.log_epoch(epoch, metrics, measured)
                logs.append(time.perf_counter() - started)
    save, log = statistics.median(saves), statistics.median(logs)
    epoch_seconds = CIFAR_IMAGES / images_per_second
    return [
        {"what": what, "ms": 1e3 * seconds, "every, s": every, "per cent": 100 * seconds / every}
        for what, seconds, every in (
            ("a checkpoint", save, CHECKPOINT_SECONDS),
            ("tracking an epoch", log, epoch_seconds),
        )
    ]
