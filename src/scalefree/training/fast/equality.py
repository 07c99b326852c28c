"""Check whether the fast path computes the same as the plain loop on this device, before a result depends on it.

Two trainings of the same configuration, one with graphs over a flat vector and one with the plain loop, take each step
from the same weights and moments. So single steps are compared, not trajectories: when a network without BatchNorm
explodes initially, two correct trainings diverge from each other within a few steps.

How far apart two correct gradients are from rounding alone depends on the network: its depth, BatchNorm, the precision.
So the gradient is also computed in float64, and the fast path's distance from it may be a certain multiple of the plain
loop's.
"""

import copy
import dataclasses
import math
import statistics

import torch
import torch.nn.functional as F
from torch import Tensor

from scalefree.config import RunConfig
from scalefree.data import Dataset
from scalefree.optim.adam_family import AdamFamily
from scalefree.training.fast.captured import CapturedSteps
from scalefree.training.layers import GradientMultipliers
from scalefree.training.step import backward
from scalefree.training.task import Task, build_task

# Steps at the beginning of an epoch, and at its end, where the short batch is.
FIRST, LAST = 16, 4
# The largest distances allowed, as median and maximum over steps: of losses, relative; of gradients and BatchNorm
# buffers, in units of their norm; of the weights after a step along one gradient, in units of that step. In float32 on
# a CPU the median distance of gradients is 1e-6, and occasionally one is 6e-3, when rounding decides whether a ReLU
# passes its input.
ALLOWED: dict[str, dict[str, tuple[float, float]]] = {
    "loss": {"fp32": (1e-4, 1e-3), "tf32": (1e-2, 0.1), "bf16": (5e-2, 0.5)},
    "gradient": {"fp32": (2e-3, 5e-2), "tf32": (0.1, 0.5), "bf16": (0.3, 1.0)},
    "buffers": {"fp32": (1e-4, 1e-3), "tf32": (1e-2, 0.1), "bf16": (5e-2, 0.5)},
    "update": {"fp32": (1e-4, 1e-3), "tf32": (1e-4, 1e-3), "bf16": (1e-4, 1e-3)},
}
# If gradients are further apart than that: limits on the fast path's distance from float64 over the plain loop's, for
# median and maximum, and on either distance. One way of rounding is not three times as bad as another without a reason,
# and gradients that are half wrong prove nothing.
TIMES, HALF_WRONG = 3.0, 0.5


class Distances:
    """The distances of all steps, by what was compared.

    Attributes:
        seen: distances between the fast path and the plain loop.
        rounding: distances of both gradients, fast and plain, from float64.
    """

    def __init__(self) -> None:
        self.seen: dict[str, list[float]] = {name: [] for name in ALLOWED}
        self.rounding: dict[str, list[float]] = {"fast": [], "plain": []}

    def add(self, name: str, value: float) -> None:
        """Add one step's distance; NaN counts as infinite."""
        self.seen[name].append(math.inf if math.isnan(value) else value)

    def add_rounding(self, fast: float, plain: float) -> None:
        """Add one step's distances from float64."""
        for name, value in (("fast", fast), ("plain", plain)):
            self.rounding[name].append(math.inf if math.isnan(value) else value)

    def describe(self) -> str:
        """Median and maximum of each."""
        from_exact = {f"{name} from float64": values for name, values in self.rounding.items()}
        named = {**self.seen, **from_exact}
        return ", ".join(f"{name} {statistics.median(v):.0e} to {max(v):.0e}" for name, v in named.items() if v)

    def _is_rounding(self) -> bool:
        """Whether the fast path's gradients are about as close to float64's as the plain loop's."""
        fast, plain = self.rounding["fast"], self.rounding["plain"]
        return bool(fast) and all(of(fast) <= min(TIMES * of(plain), HALF_WRONG) for of in (statistics.median, max))

    def too_large(self, precision: str) -> str:
        """A description of what exceeds its tolerance; empty if nothing does."""
        wrong = []
        for name, values in self.seen.items():
            half, all_of_them = ALLOWED[name][precision]
            apart = bool(values) and (statistics.median(values) > half or max(values) > all_of_them)
            if apart and not (name == "gradient" and self._is_rounding()):
                wrong.append(
                    f"{name} {statistics.median(values):.0e} to {max(values):.0e}, not {half:.0e} to {all_of_them:.0e}"
                )
        return "; ".join(wrong)


def _apart(found: Tensor, expected: Tensor, unit: Tensor) -> float:
    """|found - expected| / |unit|; 0 if they are equal, or if neither is finite."""
    if not torch.isfinite(expected).all() and not torch.isfinite(found).all():
        return 0.0
    difference = (found - expected).norm()
    return 0.0 if difference == 0 else float(difference / unit.norm())


def _joined(named: dict[str, Tensor]) -> Tensor:
    return torch.cat([value.detach().double().reshape(-1) for value in named.values()])


def _weights(task: Task) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in task.model.named_parameters()}


def _buffers(task: Task) -> dict[str, Tensor]:
    return {name: b for name, b in task.model.named_buffers() if b.is_floating_point()}


def _moments(task: Task) -> list[dict[str, Tensor]]:
    """Every buffer of the optimizer, and u if the task keeps it, by the names of the model's parameters."""
    assert isinstance(task.optimizer, AdamFamily)
    states = [task.optimizer.state[p] for p in task.optimized()]
    kept = [[state[name] for state in states] for name in task.optimizer.buffers]
    if task.loss_second_moment is not None:
        kept.append(task.loss_second_moment.u)
    return [task.named(of_optimizer) for of_optimizer in kept]


@torch.no_grad()
def _copy(task: Task, to: Task) -> None:
    """Copy weights, BatchNorm buffers, moments and counters."""
    for source, target in zip(task.model.state_dict().values(), to.model.state_dict().values(), strict=True):
        target.copy_(source)
    for sources, targets in zip(_moments(task), _moments(to), strict=True):
        for name, target in targets.items():
            target.copy_(sources[name])
    taken = next(iter(task.optimizer.state.values()))["step"]
    for state in to.optimizer.state.values():
        state["step"].copy_(taken)


class _Exact:
    """The plain loop's network in float64."""

    def __init__(self, plain: Task) -> None:
        self.plain = plain
        self.model = copy.deepcopy(plain.model).double()
        unbalance = plain.config.training.gradient_unbalance
        self.multipliers = GradientMultipliers(list(self.model.parameters()), unbalance) if unbalance else None

    def gradient(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """The gradient of the loss at the plain loop's weights, all layers in one vector."""
        self.model.load_state_dict(self.plain.model.state_dict())
        self.model.zero_grad()
        loss = F.cross_entropy(self.model(inputs.double()), labels)
        (self.plain.config.training.loss_multiplier * loss).backward()  # type: ignore[no-untyped-call]
        if self.multipliers is not None:
            self.multipliers()
        return _joined({name: p.grad for name, p in self.model.named_parameters() if p.grad is not None})


def _compare_step(
    fast: Task, loss: Tensor, plain: Task, exact: _Exact, batch: tuple[Tensor, Tensor], found: Distances
) -> None:
    """Take the step that `fast` has just taken, from the same start; then continue from where `fast` is."""
    inputs, labels = batch
    before = _joined(_weights(plain))
    truth = exact.gradient(inputs, labels)
    expected = backward(plain, inputs, labels)
    if plain.gradient_multipliers is not None:
        plain.gradient_multipliers()
    gradients, wanted = fast.gradients(), _joined(plain.gradients())
    found.add("loss", _apart(loss.double(), expected.double(), expected.double()))
    found.add("gradient", _apart(_joined(gradients), wanted, wanted))
    found.add_rounding(_apart(_joined(gradients), truth, truth), _apart(wanted, truth, truth))
    if _buffers(plain):
        running = _joined(_buffers(plain))
        found.add("buffers", _apart(_joined(_buffers(fast)), running, running))
    # Take the update along the fast path's gradient.
    for name, p in plain.model.named_parameters():
        assert p.grad is not None
        p.grad.copy_(gradients[name])
    if plain.loss_second_moment is not None:
        plain.loss_second_moment()
    plain.step()
    after = _joined(_weights(plain))
    found.add("update", _apart(_joined(_weights(fast)), after, after - before))
    _copy(fast, plain)


def distances(config: RunConfig, dataset: Dataset, device: torch.device) -> Distances:
    """The distances between captured steps of a configuration and those of the plain loop."""
    fast, plain = (
        build_task(dataclasses.replace(config, runner=runner), dataset, device) for runner in (config.runner, "plain")
    )
    captured = CapturedSteps(fast)
    for p in plain.model.parameters():
        p.grad = torch.zeros_like(p)
    assert isinstance(plain.optimizer, AdamFamily)
    plain.optimizer.make_state()
    plain.model.train()
    exact = _Exact(plain)
    found = Distances()
    steps = len(fast.batches)
    for start in sorted({0, max(0, steps - LAST)}):
        plan = plain.batches.plan(0)
        stop = min(steps, FIRST) if start == 0 else steps
        for step, loss in zip(range(start, stop), captured(0, start), strict=False):
            _compare_step(fast, loss, plain, exact, plain.batches.make(plan, plain.batches.places(step)), found)
    return found
