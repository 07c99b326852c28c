"""The fast path on CUDA: a whole training step as one graph that the device replays without asking the host.

A step of a small network is a few hundred kernels of some microseconds, less than the host needs to launch them. So
everything between two steps lives in buffers on the device that never move: the plan of the epoch, the place in it, the
step size, the decay, the loss. The step reads and writes those alone; captured once, it is replayed for every batch.

What is captured is `take_step`, the plain loop's own step. On a CPU nothing can be captured and a replay calls it: the
buffers, the places and the warm-up are then tested without a GPU.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from scalefree.data.augmentation import EpochPlan
from scalefree.optim.adam_family import AdamFamily
from scalefree.training.fast.speedups import captures
from scalefree.training.step import take_step
from scalefree.training.task import Task

# Steps before the capture: libraries choose their kernels, the compiler compiles, the allocator settles.
WARM_UP = 3

Replay = Callable[[], None]
log = logging.getLogger(__name__)


class CapturedSteps:
    """The steps of a task's epochs, one graph for whole batches and one for the short last batch.

    Made after a checkpoint has been loaded, as loading gives the optimizer other tensors. The task must have
    flat parameters. While it trains, weights and moments may be read and overwritten in place, but not replaced.

    Attributes:
        plan: order, crops and flips of the epoch under way.
        place: (), int64: where the next batch begins in the plan.
        loss: (), float32: the last step's loss, times the multiplier.
    """

    def __init__(self, task: Task) -> None:
        assert task.fast.flat is not None, "runner=plain takes its steps one operation at a time"
        self.task = task
        batches = task.batches
        images = len(batches.split)
        self.plan = batches.plan(0)
        self.place = torch.zeros((), dtype=torch.int64, device=task.device)
        self.loss = torch.zeros((), device=task.device)
        self.offsets = torch.arange(min(batches.batch_size, images), device=task.device)
        self._settle_optimizer()
        self.stream = torch.cuda.Stream(task.device) if task.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle() if self.stream is not None else None
        task.model.train()
        sizes = {min(batches.batch_size, images - step * batches.batch_size) for step in range(len(batches))}
        with self._undone():
            for size in sizes:
                self._warm_up(size)
            self.replays = {size: self._captured(size) for size in sizes}

    def __call__(self, epoch: int, start_step: int) -> Iterator[Tensor]:
        """Take the steps of an epoch from `start_step` on; yields each one's loss, which the next one overwrites."""
        self.task.model.train()
        batches = self.task.batches
        self._load(batches.plan(epoch), start_step * batches.batch_size)
        images = len(batches.split)
        for step in range(start_step, len(batches)):
            self.replays[min(batches.batch_size, images - step * batches.batch_size)]()
            yield self.loss

    def _load(self, plan: EpochPlan, place: int) -> None:
        """Put an epoch's plan where the graphs read it."""
        for name, buffer in vars(self.plan).items():
            buffer.copy_(getattr(plan, name))
        self.place.fill_(place)

    def _settle_optimizer(self) -> None:
        """Step size and decay as tensors, which a graph reads anew at every replay, and moments that exist already."""
        assert isinstance(self.task.optimizer, AdamFamily)
        for group in self.task.optimizer.param_groups:
            for name in ("lr", "weight_decay"):
                group[name] = torch.as_tensor(group[name], dtype=torch.float64, device=self.task.device)
        self.task.optimizer.make_state()

    def _step(self, size: int) -> None:
        """One step on the next `size` places of the plan. No value of a tensor decides what is computed."""
        inputs, labels = self.task.batches.make(self.plan, self.place + self.offsets[:size])
        self.loss.copy_(take_step(self.task, inputs, labels))
        self.place.add_(size)

    def _warm_up(self, size: int) -> None:
        """Take some steps from the beginning of the plan, on the stream that will capture."""
        with self._on_own_stream():
            for _ in range(WARM_UP):
                self.place.zero_()
                self._step(size)

    def _captured(self, size: int) -> Replay:
        """A graph of the step; without CUDA the step itself. Capturing computes nothing."""
        if self.stream is None:
            return lambda: self._step(size)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            self._step(size)
        return graph.replay

    @contextlib.contextmanager
    def _on_own_stream(self) -> Iterator[None]:
        """Work on the capturing stream, after what was asked for before and before what is asked for next."""
        if self.stream is None:
            yield
            return
        current = torch.cuda.current_stream(self.task.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            yield
        current.wait_stream(self.stream)

    @contextlib.contextmanager
    def _undone(self) -> Iterator[None]:
        """Give weights, BatchNorm's buffers, gradients, moments and counters the values back that they had before.

        That is all that a step changes: it draws nothing at random, so no generator moves.
        """
        state = [*self.task.model.state_dict().values(), *self.task.gradients().values()]
        for moments in self.task.optimizer.state.values():
            state += moments.values()
        if self.task.loss_second_moment is not None:
            state += self.task.loss_second_moment.u
        saved = [tensor.clone() for tensor in state]
        try:
            yield
        finally:
            for tensor, value in zip(state, saved, strict=True):
                tensor.copy_(value)
            for p in self.task.model.parameters():
                p.grad = None  # of a step that did not come to its end, to which the next one's would be added


def captured_steps(task: Task) -> CapturedSteps | None:
    """A task's steps as graphs; None where there are none, or one cannot be had, for lack of memory say.

    The task is then as it was.
    """
    if captures(task.config, task.device):
        try:
            return CapturedSteps(task)
        except RuntimeError as error:  # all of torch's, out of memory too
            log.warning("no graph of a step (%s); steps are taken one by one", " ".join(str(error).split())[:300])
    return None
