"""Ways to train side by side, each measurement as rows of plain values."""

import itertools
import logging
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.process import Measured, Subject
from benchmarks.stages import FAST, SCRIPT, SMALL_FAST, SMALL_PLAIN, Stage

log = logging.getLogger(__name__)

Row = dict[str, Any]

SMALL_BATCH, SMALL_STEPS = 32, 20


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the defaults are a CPU's, where a step takes most of a second.

    Attributes:
        train, test: images that are made.
        steps: per measurement; every stage is measured `repetitions` times, in turn.
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
    """Images per second of each, `repetitions` times, in turn, so that a busy machine affects all of them alike."""
    rates: list[list[float]] = [[] for _ in measured]
    for _ in range(repetitions):
        for one, found in zip(measured, rates, strict=True):
            one.ask(steps)
            found.append(one.answer())
    return rates


def medians(subjects: Sequence[Subject], steps: int, repetitions: int) -> list[float]:
    """Images per second of each subject, measured in turn: the median of the repetitions."""
    measured = [Measured(subject) for subject in subjects]
    for one in measured:
        one.ready()
    found = [statistics.median(rates) for rates in take_turns(measured, steps, repetitions)]
    for one in measured:
        one.close()
    return found


def stages(chosen: Iterable[Stage], folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One row per stage: median, spread, ratio to the plain script, peak memory. One that does not start has none."""
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


def depths(folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One row per depth: the plain script and the fast path side by side."""
    rows = []
    for depth in sizes.depths:
        pair = [Subject(stage, folder, depth, sizes.batch_size, device.type) for stage in (SCRIPT, FAST[device.type])]
        script, fast = medians(pair, max(1, sizes.steps - 1), sizes.repetitions)
        rows.append(
            {
                "depth": depth,
                "plain script, ms a step": 1e3 * sizes.batch_size / script,
                "fast, ms a step": 1e3 * sizes.batch_size / fast,
                "ratio": fast / script,
            }
        )
    return rows


def small_images(folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One row per network of the quick profile's size, whose steps are mostly overhead."""
    rows: list[Row] = []
    for depth, batch_norm in itertools.product(sizes.depths, (False, True)):
        pair = [
            Subject(replace(stage, batch_norm=batch_norm), folder, depth, SMALL_BATCH, device.type)
            for stage in (SMALL_PLAIN, SMALL_FAST)
        ]
        plain, fast = medians(pair, SMALL_STEPS, sizes.repetitions)
        rows.append(
            {
                "model": f"ResNet-{depth} of width 8, {'with' if batch_norm else 'without'} BN",
                "plain loop, ms a step": 1e3 * SMALL_BATCH / plain,
                "fast, ms a step": 1e3 * SMALL_BATCH / fast,
                "ratio": fast / plain,
            }
        )
    return rows
