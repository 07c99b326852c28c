"""The ways to train that are compared, from the plain script on, each with one thing more than the one before."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.pictures import read_folder
from scalefree.compose import run_config
from scalefree.data import Dataset
from scalefree.training.captured import CapturedSteps
from scalefree.training.device import keep_freed_memory, set_precision, synchronize
from scalefree.training.task import Task, build_task
from scalefree.training.trainer import captures, steps

WARM_UP = 3


@dataclass(frozen=True)
class Stage:
    """One way to train.

    Attributes:
        runner: `script`, or the package's runner.
        channels_last: only for runner=plain, whose own format is the other one.
        keeps_memory: freed memory is kept for the next step, as every run of the package does.
        captured: steps are CUDA graphs.
    """

    name: str
    runner: str
    precision: str = "fp32"
    channels_last: bool = False
    keeps_memory: bool = True
    captured: bool = False


SCRIPT = Stage("plain script", "script", keeps_memory=False)
COMMON = (
    SCRIPT,
    Stage("plain loop: resident data", "plain", keeps_memory=False),
    Stage("+ channels_last", "plain", channels_last=True, keeps_memory=False),
    Stage("+ flat parameters", "fast", keeps_memory=False),
)
CPU_STAGES = (*COMMON, Stage("+ freed memory kept (runner=fast)", "fast"))
# Only for processors that multiply bfloat16; others imitate it, at a tenth of the speed of float32.
CPU_BF16 = Stage("+ bf16", "fast", "bf16")
CUDA_STAGES = (
    *COMMON,
    Stage("+ CUDA graph (runner=fast)", "fast", captured=True),
    Stage("+ tf32", "fast", "tf32", captured=True),
    Stage("+ tf32, compiled", "compiled", "tf32", captured=True),
    Stage("+ bf16 (not compiled)", "fast", "bf16", captured=True),
    Stage("+ bf16, compiled", "compiled", "bf16", captured=True),
)
# What K runs at once and the depths are measured with: what a run gets that asks for nothing but its precision.
FAST = {"cpu": CPU_STAGES[-1], "cuda": CUDA_STAGES[5]}


def stages_of(device: torch.device) -> tuple[Stage, ...]:
    """What can be compared on a device."""
    if device.type == "cuda":
        return CUDA_STAGES
    flags = Path("/proc/cpuinfo")
    multiplies = flags.exists() and "avx512_bf16" in flags.read_text()
    return (*CPU_STAGES, CPU_BF16) if multiplies else CPU_STAGES


def _task(stage: Stage, dataset: Dataset, folder: Path, depth: int, batch_size: int, device: torch.device) -> Task:
    config = run_config(
        {
            "dataset": "image_folder",
            "dataset.root": str(folder),
            "model.depth": depth,
            "model.batch_norm": False,
            "optimizer.weight_decay": 5e-5,
            "training.batch_size": batch_size,
            "precision": stage.precision,
            "device": device.type,
            "runner": stage.runner,
        }
    )
    task = build_task(config, dataset, device)
    if stage.channels_last:
        task.model.to(memory_format=torch.channels_last)
        task.batches.normalization.memory_format = torch.channels_last
    return task


def _endless(task: Task, captured: bool) -> Iterator[object]:
    take = CapturedSteps(task) if captured and captures(task) else lambda epoch, start: steps(task, epoch, start)
    for epoch in itertools.count():
        yield from take(epoch, 0)


def prepare(
    stage: Stage, folder: Path, depth: int, batch_size: int, device: torch.device
) -> tuple[Callable[[int], float], nn.Module]:
    """A function that takes some steps and returns the seconds that they took, warmed up; and the network."""
    dataset = read_folder(folder)
    taken: Iterator[object]
    if stage.keeps_memory:
        keep_freed_memory()
    if stage.runner == "script":
        from benchmarks.plain import PlainScript  # torchvision takes seconds

        script = PlainScript(dataset, depth, batch_size, device)
        model = script.model
        taken = (loss for _ in itertools.count() for loss in script.steps())
    else:
        set_precision(stage.precision, device)
        task = _task(stage, dataset, folder, depth, batch_size, device)
        model = task.model
        taken = _endless(task, stage.captured)

    def measure(count: int) -> float:
        synchronize(device)
        started = time.perf_counter()
        for _ in itertools.islice(taken, count):
            pass
        synchronize(device)
        return time.perf_counter() - started

    measure(WARM_UP)
    return measure, model
