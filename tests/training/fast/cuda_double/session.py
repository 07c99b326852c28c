"""A process with the double of CUDA, which answers each question on standard input with a line of JSON."""

import itertools
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from conftest import TINY
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.data import Dataset
from scalefree.data.dataset import Split
from scalefree.training.fast import captured
from scalefree.training.fast.captured import CapturedSteps
from scalefree.training.fast.native.device_code import DeviceCode
from scalefree.training.fast.proven import proven
from scalefree.training.step import take_step
from scalefree.training.task import Task, build_task, load_data
from scalefree.training.trainer import Trainer, steps
from training.fast import test_capturable
from training.fast.cuda_double import journal
from training.reference import train

# A histogram's size would depend on values that were never computed.
Trainer._measures = lambda trainer: False
CUDA = torch.device("cuda")
CACHE = os.environ["XDG_CACHE_HOME"]
Step = Callable[[Task, Tensor, Tensor], Tensor]


def waits_for_the_device(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    torch.cuda.synchronize()
    return take_step(task, inputs, labels)


def allocates(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """On a stream that is not capturing; asks for more each time, so that no cached block is large enough."""
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.empty((1 << 30) + (next(calls) << 21), dtype=torch.uint8, device=task.device)
    return take_step(task, inputs, labels)


def adds(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    return take_step(task, inputs, labels) + 1


def uses_the_legacy_stream(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    with torch.cuda.stream(torch.cuda.default_stream()):
        labels.add_(0)
    return take_step(task, inputs, labels)


def works_beside(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Legal, but done only once, during the capture, and not in replays."""
    with torch.cuda.stream(torch.cuda.Stream()):
        labels.add_(0)
    return take_step(task, inputs, labels)


def copies_pinned_memory(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Legal, but every replay copies whatever is in that memory by then."""
    pinned.copy_(inputs.new_ones((), device="cpu"))
    return take_step(task, inputs, labels) * pinned.to(task.device, non_blocking=True)


pinned = torch.ones(()).pin_memory()
calls = itertools.count()
PLANTED: dict[str, Step] = {
    "nothing": take_step,
    "reads": test_capturable.reads,
    "decides": test_capturable.decides,
    "chooses": test_capturable.chooses,
    "copies back": test_capturable.copies_back,
    "copies in": test_capturable.copies_in,
    "waits for the device": waits_for_the_device,
    "allocates": allocates,
    "adds": adds,
    "uses the legacy stream": uses_the_legacy_stream,
    "works beside": works_beside,
    "copies pinned memory": copies_pinned_memory,
}


@contextmanager
def planted(name: str) -> Any:
    """Captured steps with something planted that they must not do."""
    captured.take_step = PLANTED[name]
    try:
        yield
    finally:
        captured.take_step = take_step


def config_of(values: Mapping[str, Any], results: str = "") -> RunConfig:
    """The configuration of a tiny run."""
    chosen = {**TINY, "results_dir": results or tempfile.gettempdir(), "device": "cuda", **values}
    if chosen["model"] == "densenet":
        del chosen["model.width"]
    return run_config(chosen)


def drawn_images(batch_size: int) -> Dataset:
    """A data set of one batch of images as large as CIFAR-10's."""
    images = torch.zeros(batch_size, 3, 32, 32, dtype=torch.uint8)
    split = Split(images, torch.zeros(batch_size, dtype=torch.int64), "drawn")
    return Dataset("drawn", split, split, None, tuple("0123456789"), (0.5,) * 3, (0.25,) * 3)


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write, each tensor once, if they launch anything."""

    bytes = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = journal.launches()
        made = operation(*args, **(kwargs or {}))
        if journal.launches() > before:
            self.bytes += sum(map(_bytes, tree_leaves((args, kwargs)))) + sum(map(_bytes, tree_leaves(made)))
        return made


@contextmanager
def counted_in(traffic: Traffic) -> Any:
    """Also counts the launches of add_relu.cu, which read all of their tensors and write the first."""
    launch = DeviceCode.__call__

    def counted(code: DeviceCode, name: str, grid: int, block: int, shared: int, *arguments: Any) -> None:
        assert name in ("add_relu", "add_mask")
        traffic.bytes += sum(map(_bytes, (arguments[0], *arguments)))
        launch(code, name, grid, block, shared, *arguments)

    DeviceCode.__call__ = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        DeviceCode.__call__ = launch  # type: ignore[method-assign]


def _bytes(value: Any) -> int:
    """The bytes of a tensor on the device; elements repeated by a stride of zero count once."""
    if not isinstance(value, Tensor) or value.device.type != "cuda":
        return 0
    places = 1
    for size, stride in zip(value.shape, value.stride(), strict=True):
        places *= size if stride else 1
    return places * value.element_size()


def _journal(events: list[str]) -> dict[str, Any]:
    return vars(journal.seen(events))


def captured_steps(values: Mapping[str, Any], plant: str = "nothing") -> dict[str, Any]:
    """What a warm-up and a capture do, and then two epochs of replays."""
    config = config_of(values)
    task = build_task(config, load_data(config.dataset), CUDA)
    journal.lines()
    try:
        with planted(plant):
            made = CapturedSteps(task)
    except RuntimeError as error:
        refused = journal.seen(journal.lines()).refused
        return {"error": f"{type(error).__name__}: {error}", "refused": refused}
    captures = journal.captures(journal.lines())
    replays = []
    for epoch in range(2):
        for step, _ in enumerate(made(epoch, 0)):
            events = journal.lines()
            # Before the first step comes the epoch's plan, which the host makes.
            begin = next(i for i, line in enumerate(events) if line.startswith("replay")) if step == 0 else 0
            replays += events[begin:]
    return {
        "native": task.fast.native,
        "captures": [_journal(part) for part in captures],
        "replays": _journal(replays),
        "steps": 2 * len(task.batches),
    }


def price(values: Mapping[str, Any]) -> dict[str, Any]:
    """Launches, waits and bytes per step of the plain and the fast loop, on images of CIFAR-10's size."""
    found = {}
    for runner in ("plain", "fast"):
        config = config_of({**values, "runner": runner})
        task = build_task(config, drawn_images(config.training.batch_size), CUDA)
        list(steps(task, 0, 0))  # creates the optimizer's moments
        if runner == "plain":
            journal.lines()
            with Traffic() as traffic:
                list(steps(task, 1, 0))
            found[runner] = {**_journal(journal.lines()), "bytes": traffic.bytes}
            continue
        made = CapturedSteps(task)
        (capture,) = journal.captures(journal.lines())
        with Traffic() as traffic, counted_in(traffic):
            made._step(len(made.offsets))
        found[runner] = {**_journal(capture), "bytes": traffic.bytes}
    return found


class _Lines(logging.Handler):
    """Collects warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def whole_training(values: Mapping[str, Any], plant: str = "nothing") -> dict[str, Any]:
    """A whole training, from the proof of its fast path to its last epoch, without an earlier verdict."""
    config = config_of(values)
    dataset = load_data(config.dataset)
    warnings = _Lines()
    logging.getLogger().addHandler(warnings)
    journal.lines()
    try:
        with tempfile.TemporaryDirectory() as folder, planted(plant):
            os.environ["XDG_CACHE_HOME"] = folder
            chosen = proven(config, dataset, CUDA)
            asked = journal.seen(journal.lines())
            trainer, outcome = train(chosen, Path(folder, "checkpoint.pt"))
    finally:
        logging.getLogger().removeHandler(warnings)
        os.environ["XDG_CACHE_HOME"] = CACHE
    trained = journal.seen(journal.lines())
    return {
        "warnings": warnings.lines,
        "runner": chosen.runner,
        "captured": isinstance(trainer.steps, CapturedSteps),
        "steps": outcome.step,
        "compared": len(asked.replays),
        "replays": len(trained.replays),
    }


ASKED: dict[str, Callable[..., dict[str, Any]]] = {
    "captured_steps": captured_steps,
    "price": price,
    "whole_training": whole_training,
}


def main() -> None:
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = ASKED[name](*arguments)
        except Exception:
            answer = {"raised": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # a regular exit of torch takes seconds


if __name__ == "__main__":
    main()
