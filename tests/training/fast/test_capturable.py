"""A captured step needs nothing from the host: tested without a GPU, on torch's meta device in its place.

Tensors on that device have shapes but no values. The step is the one that CUDA captures, with the choices made for
CUDA; an operation that needs a value or gets a tensor from the host fails. This cannot show which of torch's kernels
synchronise internally, or what the CUDA runtime refuses during a capture.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from conftest import Make
from scalefree.config import RunConfig
from scalefree.training import step, task
from scalefree.training.fast import captured, speedups
from scalefree.training.fast.captured import CapturedSteps
from scalefree.training.fast.native import residual
from scalefree.training.fast.native.residual import Sizes
from scalefree.training.fast.speedups import speed_up
from scalefree.training.step import take_step
from scalefree.training.task import Task, build_task, load_data
from training.fast.test_proven import KINDS

CUDA, META = torch.device("cuda"), torch.device("meta")
WIDE = {"model.width": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    **KINDS,
    "residual.cu": WIDE,
    "add_relu.cu": {"model.depth": 14},
    "add_relu.cu, tf32": {"model.depth": 14, "precision": "tf32"},
    "residual.cu, layers apart": {**WIDE, "optimizer": "adamw", "optimizer.decay_unbalance": 1.0},
    "bf16": {"precision": "bf16"},
    "tf32": {"precision": "tf32"},
    "scaled l2 of the network": {"optimizer": "adam_scaled_l2", "optimizer.granularity": "network"},
    "zero last": {"model.initialization": "zero_last"},
}


class FromHost(Exception):
    """An operation of a captured step that needs the host."""


class NoHost(TorchDispatchMode):
    """Refuses operations on host tensors, and counts the others."""

    count = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = operation(*args, **(kwargs or {}))
        tensors = [one for one in tree_leaves((args, kwargs, made)) if isinstance(one, Tensor)]
        if any(one.device != META for one in tensors):
            raise FromHost(str(operation))
        self.count += 1
        return made


class NoValues(TorchFunctionMode):
    """Refuses tensors made from host values, which the meta device creates without an operation."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function in (torch.tensor, torch.as_tensor, torch.from_numpy) and not isinstance(args[0], Tensor):
            raise FromHost(function.__name__)
        return function(*args, **(kwargs or {}))


class Casts(TorchFunctionMode):
    """Replaces autocast, which the meta device lacks: convolutions and products in bfloat16."""

    def __torch_function__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if function in (F.conv2d, F.linear, torch.conv2d):
            args = [one.bfloat16() if isinstance(one, Tensor) else one for one in args]
        return function(*args, **(kwargs or {}))


class Launches:
    """Replaces kernels on a device: logs which were launched; none may get a host tensor."""

    seen: list[str] = []  # noqa: RUF012

    def __init__(self, source: Sizes | str, rest: object) -> None:
        assert isinstance(source, str) or rest == META

    def __call__(self, name: str, grid: int, block: int, shared: int, *arguments: Tensor | int) -> None:
        if any(isinstance(one, Tensor) and one.device != META for one in arguments):
            raise FromHost(name)
        self.seen.append(name)


@pytest.fixture
def built(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, Any]], Task]:
    """Builds a task as for CUDA, on the meta device."""
    monkeypatch.setattr(Launches, "seen", [])
    use, fuse = speedups.use_residual_kernels, speedups.use_fused_sums
    monkeypatch.setattr(speedups, "use_residual_kernels", lambda *sizes: use(*sizes, Launches))
    monkeypatch.setattr(speedups, "use_fused_sums", lambda model: fuse(model, Launches))
    monkeypatch.setattr(task, "speed_up", lambda model, config, dataset, _: speed_up(model, config, dataset, CUDA))
    monkeypatch.setattr(task, "set_precision", lambda precision: None)
    monkeypatch.setattr(residual, "_are_neighbours", lambda weights: True)  # they have no addresses

    def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
        return Casts() if precision == "bf16" else nullcontext()

    monkeypatch.setattr(step, "autocast", autocast)

    def make(values: Mapping[str, Any]) -> Task:
        config: RunConfig = tiny(values)
        return build_task(dataclasses.replace(config, device="cuda"), load_data(config.dataset), META)

    return make


def operations(task: Task) -> int:
    """The number of operations in a whole batch's step, all of them on the device."""
    steps = CapturedSteps(task)
    with NoHost() as seen, NoValues():
        steps._step(len(steps.offsets))
    return seen.count


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_step_needs_nothing_from_the_host(kind: str, built: Callable[[Mapping[str, Any]], Task]) -> None:
    made = built(NETWORKS[kind])
    assert operations(made) > 100
    source = "add_relu.cu" if kind == "explodes" else kind.partition(",")[0]
    assert made.fast.native == (source if source.endswith(".cu") else None)
    assert bool(Launches.seen) is source.endswith(".cu")


def reads(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Reads a value, which waits for the device."""
    loss = take_step(task, inputs, labels)
    loss.item()
    return loss


def decides(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Checks whether a value is finite before it continues."""
    loss = take_step(task, inputs, labels)
    return loss if torch.isfinite(loss) else loss * 0


def chooses(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Makes a tensor whose size depends on values."""
    return take_step(task, inputs, labels) + 0 * labels[labels > 3].sum()


def copies_back(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    loss = take_step(task, inputs, labels)
    loss.cpu()
    return loss


def multiplies_by_a_host_scalar(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Uses a 0-dim host tensor, whose value a graph would freeze."""
    return take_step(task, inputs, labels) * torch.ones(())


def copies_in(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    return take_step(task, inputs, labels) * torch.tensor(1.0, device=task.device)


@pytest.mark.parametrize(
    ("planted", "error"),
    [
        (reads, RuntimeError),
        (decides, RuntimeError),
        (chooses, NotImplementedError),
        (copies_back, NotImplementedError),
        (multiplies_by_a_host_scalar, FromHost),
        (copies_in, FromHost),
    ],
)
def test_work_that_needs_the_host_is_found(
    planted: Any,
    error: type[Exception],
    built: Callable[[Mapping[str, Any]], Task],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = built({})
    steps = CapturedSteps(made)
    monkeypatch.setattr(captured, "take_step", planted)
    with NoHost(), NoValues(), pytest.raises(error):
        steps._step(len(steps.offsets))


def test_a_step_size_on_the_host_is_found(built: Callable[[Mapping[str, Any]], Task]) -> None:
    """It would keep its value from the capture, whatever the schedule."""
    made = built({})
    steps = CapturedSteps(made)
    made.optimizer.param_groups[0]["lr"] = torch.tensor(1e-3, dtype=torch.float64)
    with NoHost(), NoValues(), pytest.raises(FromHost):
        steps._step(len(steps.offsets))
