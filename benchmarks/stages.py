"""The ways to train that are compared: the plain script, then each with one thing more than the one before."""

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.pictures import read_folder
from scalefree.compose import run_config
from scalefree.data.augmentation import EpochPlan
from scalefree.training.device import synchronize
from scalefree.training.fast import speedups
from scalefree.training.fast.captured import CapturedSteps
from scalefree.training.fast.memory import keep_freed_memory
from scalefree.training.fast.speedups import captures
from scalefree.training.step import take_step
from scalefree.training.task import Task, build_task, load_data
from scalefree.training.trainer import steps

WARM_UP = 3


@dataclass(frozen=True)
class Stage:
    """One way to train.

    Attributes:
        runner: `script`, or the package's runner.
        channels_last: only for runner=plain, which otherwise uses the other format.
        keeps_memory: freed memory is kept for the next step, as every run of the package does.
        captured: steps are CUDA graphs.
        without: what a captured step must do without, of `LATER`.
        digits: train on scikit-learn's digits at width 8, as the quick profile does, instead of the folder's images.
        batch_norm: with BatchNorm.
        runs: how many trainings in one process, which take turns, each on its own CUDA stream.
    """

    name: str
    runner: str
    precision: str = "fp32"
    channels_last: bool = False
    keeps_memory: bool = True
    captured: bool = False
    without: tuple[str, ...] = ()
    digits: bool = False
    batch_norm: bool = False
    runs: int = 1


SCRIPT = Stage("plain script", "script", keeps_memory=False)
COMMON = (
    SCRIPT,
    Stage("plain loop: resident data", "plain", keeps_memory=False),
    Stage("+ channels_last", "plain", channels_last=True, keeps_memory=False),
    Stage("+ flat parameters", "fast", keeps_memory=False),
)
CPU_STAGES = (*COMMON, Stage("+ freed memory kept (runner=fast)", "fast"))
SMALL_PLAIN = Stage("plain loop, 8x8 images", "plain", digits=True)
SMALL_FAST = Stage("runner=fast, 8x8 images", "fast", digits=True)
# Only for processors that multiply bfloat16; others imitate it, at a tenth of the speed of float32.
CPU_BF16 = Stage("+ bf16", "fast", "bf16")
# What a captured step got later, each with a stage of its own.
LATER = ("an epoch's images at once", "optimizer on the whole device", "fused sums", "one cast")
CUDA_TF32 = Stage("+ tf32", "fast", "tf32", captured=True)
CUDA_STAGES = (
    *COMMON,
    Stage("+ CUDA graph", "fast", captured=True, without=LATER),
    Stage("+ an epoch's images at once", "fast", captured=True, without=LATER[1:]),
    Stage("+ optimizer on the whole device", "fast", captured=True, without=LATER[2:]),
    Stage("+ fused sums (runner=fast)", "fast", captured=True),
    CUDA_TF32,
    Stage("+ tf32, compiled", "compiled", "tf32", captured=True),
    Stage("+ bf16, each weight cast by itself", "fast", "bf16", captured=True, without=LATER[3:]),
    Stage("+ bf16 (not compiled)", "fast", "bf16", captured=True),
    Stage("+ bf16, compiled", "compiled", "bf16", captured=True),
)
# The stage for runs at once and for depths: what a run uses if it sets nothing but its precision.
FAST = {"cpu": CPU_STAGES[-1], "cuda": CUDA_TF32}


def has_bf16(device: torch.device) -> bool:
    """Whether a CPU multiplies bfloat16 itself; False for other devices."""
    flags = Path("/proc/cpuinfo")
    return device.type == "cpu" and flags.exists() and "avx512_bf16" in flags.read_text()


def stages_of(device: torch.device) -> tuple[Stage, ...]:
    """What can be compared on a device."""
    if device.type == "cuda":
        return CUDA_STAGES
    return (*CPU_STAGES, CPU_BF16) if has_bf16(device) else CPU_STAGES


def _task(stage: Stage, folder: Path, depth: int, batch_size: int, device: torch.device, seed: int) -> Task:
    images: dict[str, Any] = {"dataset": "image_folder", "dataset.root": str(folder)}
    config = run_config(
        {
            **({"dataset": "digits", "model.width": 8} if stage.digits else images),
            "model.depth": depth,
            "model.batch_norm": stage.batch_norm,
            "optimizer.weight_decay": 5e-5,
            "training.batch_size": batch_size,
            "precision": stage.precision,
            "device": device.type,
            "runner": stage.runner,
            "seed": seed,
        }
    )
    task = build_task(config, load_data(config.dataset) if stage.digits else read_folder(folder), device)
    if stage.channels_last:
        task.model.to(memory_format=torch.channels_last)
        task.batches.normalization.memory_format = torch.channels_last
    return task


class BatchByBatch(CapturedSteps):
    """Captured steps that crop and flip each batch by itself, by the epoch's plan."""

    def _load(self, plan: EpochPlan, place: int) -> None:
        if not hasattr(self, "plan"):
            self.plan = plan
        for name, buffer in vars(self.plan).items():
            buffer.copy_(getattr(plan, name))
        self.place.fill_(place)

    def _step(self, size: int) -> None:
        inputs, labels = self.task.batches.make(self.plan, self.place + self.offsets[:size])
        self.loss.copy_(take_step(self.task, inputs, labels))
        self.place.add_(size)


@contextlib.contextmanager
def withheld(without: Sequence[str]) -> Iterator[None]:
    """Tasks built meanwhile do without these of `LATER`."""
    given = dict(vars(speedups))
    instead: dict[str, tuple[str, Any]] = {
        "optimizer on the whole device": ("WholeDevice", contextlib.nullcontext),
        "fused sums": ("use_fused_sums", lambda model: False),
        "one cast": ("CastOnce", lambda model, flat: model),
    }
    for name, value in (instead[what] for what in without if what in instead):
        setattr(speedups, name, value)
    try:
        yield
    finally:
        for name, _ in instead.values():
            setattr(speedups, name, given[name])


def endless(task: Task, captured: bool, without: Sequence[str] = ()) -> Iterator[object]:
    """The steps of one epoch after another."""
    of = BatchByBatch if LATER[0] in without else CapturedSteps
    take = of(task) if captured and captures(task.config, task.device) else functools.partial(steps, task)
    for epoch in itertools.count():
        yield from take(epoch, 0)


def in_turn(trainings: Sequence[Iterator[object]], device: torch.device) -> Iterator[object]:
    """A step of each training in turn, on CUDA each on its own stream, where they overlap."""
    if device.type == "cuda":
        streams = [torch.cuda.Stream(device) for _ in trainings]  # type: ignore[no-untyped-call]
        places: list[contextlib.AbstractContextManager[Any]] = [torch.cuda.stream(stream) for stream in streams]
    else:
        places = [contextlib.nullcontext() for _ in trainings]
    while True:
        for training, place in zip(trainings, places, strict=True):
            with place:
                next(training)
        yield None


def prepare(
    stage: Stage, folder: Path, depth: int, batch_size: int, device: torch.device
) -> tuple[Callable[[int], float], nn.Module]:
    """A warmed-up function that takes some steps and returns the seconds that they took; and the network."""
    taken: Iterator[object]
    if stage.keeps_memory:
        keep_freed_memory()
    if stage.runner == "script":
        from benchmarks.plain import PlainScript  # torchvision takes seconds

        script = PlainScript(read_folder(folder), depth, batch_size, device)
        model = script.model
        taken = (loss for _ in itertools.count() for loss in script.steps())
    else:
        with withheld(stage.without):
            tasks = [_task(stage, folder, depth, batch_size, device, seed) for seed in range(stage.runs)]
        model = tasks[0].model
        taken = in_turn([endless(task, stage.captured, stage.without) for task in tasks], device)

    def measure(count: int) -> float:
        synchronize(device)
        started = time.perf_counter()
        for _ in itertools.islice(taken, count):
            pass
        synchronize(device)
        return time.perf_counter() - started

    measure(WARM_UP)
    return measure, model
