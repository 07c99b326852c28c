"""All measurements in one run."""

import datetime
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import at_once, comparison, whole_runs
from benchmarks.comparison import CUDA_SIZES, Sizes
from benchmarks.pictures import SIDE, make_folder
from benchmarks.roofline import bytes_per_image, copy_bandwidth, multiplication_rate, operations_per_image
from benchmarks.stages import FAST, stages_of
from scalefree.data import DatasetError
from scalefree.launching.settings import cores
from scalefree.models import resnet
from scalefree.records.environment import versions
from scalefree.training.device import describe

log = logging.getLogger(__name__)

CUDA_JOBS = 8
# The entry that comes last.
COMPLETE = "seconds for all of this"
NOT_MEASURED = "not measured"


def sizes_for(device: torch.device) -> Sizes:
    """How much to measure on a device; on a CPU it takes about five minutes on two cores."""
    return CUDA_SIZES if device.type == "cuda" else Sizes(at_once=tuple(k for k in (1, 2, 4, 8, 16) if k <= cores()))


def roofline(sizes: Sizes, device: torch.device, bandwidth: float) -> list[comparison.Row]:
    """Images per second that the measured bandwidth allows, by depth, at two and at four bytes per activation."""
    rows = []
    for depth in sizes.depths:
        for batch_norm in (False, True):
            model = resnet(depth, 10, batch_norm)
            row: comparison.Row = {"model": f"ResNet-{depth}, {'with' if batch_norm else 'without'} BN"}
            for name, size in (("bf16", 2), ("fp32", 4)):
                moved = bytes_per_image(model, 3, SIDE, sizes.batch_size, size)
                row |= {f"{name}, MB an image": moved / 1e6, f"{name}, images/s": bandwidth / moved}
            rows.append(row)
    return rows


def ceiling(sizes: Sizes, stages: list[comparison.Row]) -> list[comparison.Row]:
    """What one CPU core's multiplications allow in float32, and how close to it the stages come."""
    rate = multiplication_rate()
    rows = []
    for depth in sizes.depths:
        training, evaluation = operations_per_image(resnet(depth, 10, False), 3, SIDE)
        rows.append(
            {
                "model": f"ResNet-{depth}, without BN",
                "training, MFLOP an image": training / 1e6,
                "evaluation, MFLOP": evaluation / 1e6,
                "one core trains at most, images/s": rate / training,
            }
        )
    for stage in stages:
        if "bf16" not in stage["stage"]:
            stage["share of the core's peak"] = stage["images/s"] / rows[0]["one core trains at most, images/s"]
    return rows


class Report:
    """What has been measured so far, kept after every section: on a machine that is lent, time may run out.

    A section that fails has no rows; it is named under NOT_MEASURED, and the log says why.
    """

    def __init__(self, facts: dict[str, Any], keep: Callable[[dict[str, Any]], object]) -> None:
        self.result = facts
        self.keep = keep
        self.failed: list[str] = []

    def add(self, name: str, measure: Callable[[], list[comparison.Row]]) -> list[comparison.Row]:
        """Measure a section and keep it; returns its rows, none if it failed."""
        print(name, flush=True)
        try:
            rows = measure()
        except Exception:
            log.exception("%s: not measured", name)
            self.failed.append(name)
            self.result[NOT_MEASURED] = ", ".join(self.failed)
            rows = []
        else:
            self.result[name] = rows
        self.keep(self.result)
        return rows


def run(
    device: torch.device, sizes: Sizes, root: str | None, keep: Callable[[dict[str, Any]], object] = lambda result: None
) -> dict[str, Any]:
    """Measure everything; `root` is a folder with CIFAR-10; without it the images are generated.

    `keep` is called with the results so far after every section.
    """
    started = time.perf_counter()
    bandwidth = copy_bandwidth(device)
    jobs = CUDA_JOBS if device.type == "cuda" else cores()
    facts: dict[str, Any] = {
        **describe(device),
        "cores": cores(),
        **{name: value for name, value in versions().items() if isinstance(value, str)},
        "date": datetime.date.today().isoformat(),
        "images": "CIFAR-10" if root else "generated",
        "model": f"ResNet-{sizes.depth} without BN, {SIDE}x{SIDE}, batch {sizes.batch_size}",
        "copy bandwidth, GB/s": bandwidth / 1e9,
    }
    report = Report(facts, keep)
    with tempfile.TemporaryDirectory() as folder:
        try:
            images = make_folder(Path(folder, "images"), sizes.train, sizes.test, root)
        except DatasetError as error:  # the machine's time is worth more than real images
            log.warning("%s; the images are generated", error)
            facts["images"] = "generated"
            images = make_folder(Path(folder, "generated"), sizes.train, sizes.test, None)
        measured = (images, sizes, device)
        stages = report.add("step by step", lambda: comparison.stages(stages_of(device), *measured))
        if device.type == "cuda":
            report.add("roofline", lambda: roofline(sizes, device, bandwidth))
        else:
            report.add("arithmetic: a core's matrix product, float32", lambda: ceiling(sizes, stages))
        report.add("runs at once", lambda: at_once.runs_at_once(*measured))
        report.add("depth", lambda: comparison.depths(*measured))
        if device.type == "cpu":
            report.add("small images: digits at 8x8, batch 32", lambda: comparison.small_images(*measured))
        report.add("sweep", lambda: whole_runs.sweep(*measured, jobs))
        rates = [row["images/s"] for row in stages if row["stage"] == FAST[device.type].name]
        if rates:
            report.add("overhead", lambda: whole_runs.overheads(*measured, rates[0]))
    report.result[COMPLETE] = time.perf_counter() - started
    return report.result
