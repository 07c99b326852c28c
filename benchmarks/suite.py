"""All measurements in one run."""

import datetime
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks import comparison
from benchmarks.comparison import CUDA_SIZES, Sizes
from benchmarks.pictures import SIDE, make_folder
from benchmarks.roofline import bytes_per_image, copy_bandwidth, multiplication_rate, operations_per_image
from benchmarks.stages import FAST, stages_of
from scalefree.launching.settings import cores
from scalefree.models import resnet
from scalefree.records.environment import versions
from scalefree.training.device import describe

CUDA_JOBS = 8


def sizes_for(device: torch.device) -> Sizes:
    """A CPU's take about five minutes on two cores."""
    return CUDA_SIZES if device.type == "cuda" else Sizes(at_once=tuple(k for k in (1, 2, 4, 8, 16) if k <= cores()))


def roofline(sizes: Sizes, device: torch.device, bandwidth: float) -> list[comparison.Row]:
    """Images a second that the measured bandwidth allows, by depth, at two and at four bytes an activation."""
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
    """What one CPU core's multiplications allow in float32, and how near to it the stages come."""
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


def run(device: torch.device, sizes: Sizes, root: str | None) -> dict[str, Any]:
    """Measure everything; `root` is a folder with CIFAR-10, without it the images are generated."""
    started = time.perf_counter()
    bandwidth = copy_bandwidth(device)
    jobs = CUDA_JOBS if device.type == "cuda" else cores()
    result: dict[str, Any] = {
        **describe(device),
        "cores": cores(),
        **{name: value for name, value in versions().items() if isinstance(value, str)},
        "date": datetime.date.today().isoformat(),
        "images": "CIFAR-10" if root else "generated",
        "model": f"ResNet-{sizes.depth} without BN, {SIDE}x{SIDE}, batch {sizes.batch_size}",
        "copy bandwidth, GB/s": bandwidth / 1e9,
    }
    with tempfile.TemporaryDirectory() as folder:
        images = make_folder(Path(folder, "images"), sizes.train, sizes.test, root)
        print("one training after another way", flush=True)
        result["step by step"] = stages = comparison.stages(stages_of(device), images, sizes, device)
        print("several at once", flush=True)
        result["runs at once"] = comparison.runs_at_once(images, sizes, device)
        print("depths", flush=True)
        result["depth"] = comparison.depths(images, sizes, device)
        if device.type == "cpu":
            print("small images", flush=True)
            result["small images: digits at 8x8, batch 32"] = comparison.small_images(images, sizes, device)
            result["arithmetic: a core's matrix product, float32"] = ceiling(sizes, stages)
        print("a sweep", flush=True)
        result["sweep"] = comparison.sweep(images, sizes, device, jobs)
        (fast,) = (row for row in stages if row["stage"] == FAST[device.type].name)
        result["overhead"] = comparison.overheads(images, sizes, device, fast["images/s"])
    if device.type == "cuda":
        result["roofline"] = roofline(sizes, device, bandwidth)
    result["seconds for all of this"] = time.perf_counter() - started
    return result
