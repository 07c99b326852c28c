"""The fast path on CUDA: a whole training step as one graph that the device replays without the host.

A step of a small network is a few hundred kernels of a few microseconds each, less than the host needs to launch them.
So everything between two steps is kept in buffers on the device that never move: the images of the epoch in its order,
cropped and flipped, the place in it, the step size, the decay, the loss. The step reads and writes only these; it is
captured once and replayed for every batch.

What is captured is `take_step`, the plain loop's own step. On a CPU nothing can be captured and a replay simply calls
it, so the buffers, places and warm-up can be tested without a GPU.
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

# Images that are cropped and flipped at once: enough to keep the device busy, and 25 MB of indices at 32x32.
AT_ONCE = 1024
# Steps before the capture, in which libraries choose kernels, the compiler compiles and the allocator settles.
WARM_UP = 3

Replay = Callable[[], None]
log = logging.getLogger(__name__)


class CapturedSteps:
    """The steps of a task's epochs: one graph for full batches and one for the short last batch.

    Create it after a checkpoint has been loaded, because loading gives the optimizer new tensors. The task must have
    flat parameters. During training, weights and moments may be read and overwritten in place but not replaced.

    Attributes:
        images: (N, C, H, W), uint8: the current epoch's images in its order, cropped and flipped.
        labels: (N,), int64: their labels.
        place: (), int64: where the next batch starts among them.
        loss: (), float32: the last step's loss, times the multiplier.
    """

    def __init__(self, task: Task) -> None:
        assert task.fast.flat is not None, "runner=plain does not capture steps"
        self.task = task
        batches = task.batches
        images = len(batches.split)
        self.images = torch.empty_like(batches.split.images, memory_format=torch.contiguous_format)
        self.labels = torch.empty_like(batches.split.labels)
        self.place = torch.zeros((), dtype=torch.int64, device=task.device)
        self.loss = torch.zeros((), device=task.device)
        self.offsets = torch.arange(min(batches.batch_size, images), device=task.device)
        self._load(batches.plan(0), 0)
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
        """Take the steps of an epoch from `start_step`; yields each step's loss, which the next one overwrites."""
        self.task.model.train()
        batches = self.task.batches
        self._load(batches.plan(epoch), start_step * batches.batch_size)
        images = len(batches.split)
        for step in range(start_step, len(batches)):
            self.replays[min(batches.batch_size, images - step * batches.batch_size)]()
            yield self.loss

    def _load(self, plan: EpochPlan, place: int) -> None:
        """Make an epoch's images where the graphs read them."""
        for start in range(0, len(self.labels), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            self.images[part], self.labels[part] = self.task.batches.augmented(plan, part)
        self.place.fill_(place)

    def _settle_optimizer(self) -> None:
        """Make step size and decay tensors, which a graph reads at every replay, and create the moments."""
        assert isinstance(self.task.optimizer, AdamFamily)
        for group in self.task.optimizer.param_groups:
            for name in ("lr", "weight_decay"):
                group[name] = torch.as_tensor(group[name], dtype=torch.float64, device=self.task.device)
        self.task.optimizer.make_state()

    def _step(self, size: int) -> None:
        """Take one step on the next `size` images. What is computed does not depend on tensor values."""
        places = self.place + self.offsets[:size]
        inputs, labels = self.task.batches.normalization(self.images[places]), self.labels[places]
        self.loss.copy_(take_step(self.task, inputs, labels))
        self.place.add_(size)

    def _warm_up(self, size: int) -> None:
        """Take some steps from the start of the epoch, on the stream used for capture."""
        with self._on_own_stream():
            for _ in range(WARM_UP):
                self.place.zero_()
                self._step(size)

    def _captured(self, size: int) -> Replay:
        """A graph of the step or, without CUDA, the step itself. Capturing computes nothing."""
        if self.stream is None:
            return lambda: self._step(size)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            self._step(size)
        return graph.replay

    @contextlib.contextmanager
    def _on_own_stream(self) -> Iterator[None]:
        """Work on the capturing stream, ordered after earlier and before later work of the current stream."""
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
        """Restore weights, BatchNorm buffers, gradients, moments and counters afterwards.

        That is all that a step changes: it draws no random numbers, so no generator advances.
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
                p.grad = None  # left by an incomplete step, and the next step's gradient would be added to it


def captured_steps(task: Task) -> CapturedSteps | None:
    """A task's steps as graphs; None if they are not captured, or cannot be, for example for lack of memory.

    In that case the task is unchanged.
    """
    if captures(task.config, task.device):
        try:
            return CapturedSteps(task)
        except RuntimeError as error:  # torch's errors, including out of memory
            log.warning(
                "a step could not be captured as a graph (%s); steps are launched one by one",
                " ".join(str(error).split())[:300],
            )
    return None
