"""Several trainings on one device at the same time: the ways to share it."""

import logging
import statistics
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.comparison import Row, Sizes, medians
from benchmarks.process import Measured, Subject
from benchmarks.stages import FAST
from scalefree.config import ConfigError
from scalefree.launching.mps import multi_process_service

log = logging.getLogger(__name__)


def runs_at_once(folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """A row per way to share a device and number of runs: images per second of all together, and of the slowest."""
    rows = _processes("processes", folder, sizes, device)
    if device.type == "cuda":
        try:
            with multi_process_service():
                rows += _processes("processes under MPS", folder, sizes, device)
        except (ConfigError, EOFError) as error:  # MPS is missing, or its clients died
            log.warning("processes under MPS: not measured: %s", error)
        try:
            rows += _streams(folder, sizes, device)
        except EOFError:
            log.warning("streams of one process: not measured, the process died")
    for row in rows:
        row["times one run"] = row["images/s together"] / rows[0]["images/s together"]
    return rows


def _row(way: str, runs: int, together: float, slowest: float) -> Row:
    return {"way": way, "runs at once": runs, "images/s together": together, "images/s slowest": slowest}


def _processes(way: str, folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """K processes of the default stage at the same time."""
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
        rows.append(_row(way, k, statistics.median(totals), statistics.median(slowest)))
    for one in measured:
        one.close()
    return rows


def _streams(folder: Path, sizes: Sizes, device: torch.device) -> list[Row]:
    """One process that takes a step of each of K runs in turn, each on its own stream."""
    rows: list[Row] = []
    for k in sizes.at_once:
        subject = Subject(replace(FAST[device.type], runs=k), folder, sizes.depth, sizes.batch_size, device.type)
        (each,) = medians([subject], 2 * sizes.steps, sizes.repetitions)
        rows.append(_row("streams of one process", k, k * each, each))
    return rows
