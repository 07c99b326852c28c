"""The measurements, each as rows of plain values."""

import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.pictures import read_folder
from benchmarks.process import Measured, Subject
from benchmarks.stages import FAST, SCRIPT, SMALL_FAST, SMALL_PLAIN, Stage, has_bf16
from scalefree.compose import run_config
from scalefree.config import ConfigError
from scalefree.launching import LocalSettings, launch
from scalefree.launching.mps import multi_process_service
from scalefree.records import Store, run_identity
from scalefree.tracking import start_tracker
from scalefree.training import checkpoint
from scalefree.training.device import describe, synchronize
from scalefree.training.task import build_task
from scalefree.training.trainer import CHECKPOINT_SECONDS, Trainer

log = logging.getLogger(__name__)

Row = dict[str, Any]

CIFAR_IMAGES = 50_000
SMALL_BATCH = 32


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
    """One row a stage: median, spread, ratio to the plain script, peak memory. A stage that does not start has none."""
    started = [Measured(Subject(stage, folder, sizes.depth, sizes.batch_size, device.type)) for stage in chosen]
    measured = []
    for one in started:
        try:
            measured.append(one.ready())
        except EOFError:
            if one.subject.stage == SCRIPT:
                raise
            log.warning("not measured, its process died: %s", one.subject.stage.name)
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
    """A row for each way to share a device and each number of runs: images a second together, and of the slowest."""
    rows = _processes("processes", folder, sizes, device)
    if device.type == "cuda":
        try:
            with multi_process_service():
                rows += _processes("processes under MPS", folder, sizes, device)
        except (ConfigError, EOFError) as error:  # not there, or its clients died
            log.warning("processes under MPS: not measured: %s", error)
        try:
            rows += _streams(folder, sizes, device)
        except EOFError:
            log.warning("streams of one process: not measured, the process died")
    for row in rows:
        row["times one run"] = row["images/s together"] / rows[0]["images/s together"]
    return rows


def _processes(way: str, folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """K processes of the default stage that work at the same time."""
    measured = [
        Measured(Subject(FAST[device.type], folder, sizes.depth, sizes.batch_size, device.type, core))
        for core in range(max(sizes.at_once))
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
        rows.append(
            {
                "way": way,
                "runs at once": k,
                "images/s together": together,
                "images/s slowest": statistics.median(slowest),
            }
        )
    for one in measured:
        one.close()
    return rows


def _streams(folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One process that asks K runs in turn for a step, each on a stream of its own."""
    rows: list[Row] = []
    for k in sizes.at_once:
        stage = replace(FAST[device.type], runs=k)
        one = Measured(Subject(stage, folder, sizes.depth, sizes.batch_size, device.type)).ready()
        rates = [k * rate for (rate,) in zip(*take_turns([one], 2 * sizes.steps, sizes.repetitions), strict=True)]
        together = statistics.median(rates)
        one.close()
        rows.append(
            {
                "way": "streams of one process",
                "runs at once": k,
                "images/s together": together,
                "images/s slowest": together / k,
            }
        )
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


def _plain_runs(folder: Path, sizes: Sizes, device: torch.device) -> tuple[float, float]:
    """Seconds of as many plain scripts as the sweep has runs, one after another with all cores; without their starts.

    One is measured, from the start of its process to its end.
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
    """Sweeps against as many runs of the plain script in turn; data and evaluation are part of all."""
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


def small_images(folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One row a depth: ResNets of the quick profile's size, whose steps are mostly overhead."""
    rows: list[Row] = []
    for depth in sizes.depths:
        for batch_norm in (False, True):
            stages = (SMALL_PLAIN, SMALL_FAST)
            pair = [
                Measured(Subject(replace(stage, batch_norm=batch_norm), folder, depth, SMALL_BATCH, device.type))
                for stage in stages
            ]
            for one in pair:
                one.ready()
            plain, fast = map(statistics.median, take_turns(pair, 20, sizes.repetitions))
            for one in pair:
                one.close()
            rows.append(
                {
                    "model": f"ResNet-{depth} of width 8, {'with' if batch_norm else 'without'} BN",
                    "plain loop, ms a step": 1e3 * SMALL_BATCH / plain,
                    "fast, ms a step": 1e3 * SMALL_BATCH / fast,
                    "ratio": fast / plain,
                }
            )
    return rows


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
