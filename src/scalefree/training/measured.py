"""Measures what a step did: distributions of every coordinate's update, gradient, parameter and decay."""

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor

from scalefree.bins import QUANTITIES
from scalefree.measure import Distribution, drown_out_shares, measure
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.rules import Reading
from scalefree.training.task import Task


def before_step(task: Task) -> list[Tensor] | None:
    """Copies of the parameters, to be made before a measured step if the update is known only from their change."""
    return None if isinstance(task.optimizer, AdamFamily) else [p.detach().clone() for p in task.optimized()]


def measured(task: Task, eta: float, before: list[Tensor] | None) -> dict[str, Distribution]:
    """Measure the last step, under the schedule's eta: distributions by `<quantity>/<layer group>`."""
    values: dict[str, Mapping[str, Tensor]] = {
        "update_scale": _updates(task, eta, before),
        "gradient": task.gradients(),
        "parameter": dict(task.model.named_parameters()),
    }
    if task.tells_decay:
        values["effective_decay"] = effective_decays(task)
    found = {
        f"{quantity}/{group}": distribution
        for quantity in values
        for group, distribution in measure(values[quantity], task.groups, QUANTITIES[quantity]).items()
    }
    for group, share in _drown_out_shares(task).items():
        found[f"effective_decay/{group}"].scalars["drown_out_share"] = share
    return found


@torch.no_grad()
def _updates(task: Task, eta: float, before: list[Tensor] | None) -> dict[str, Tensor]:
    """The last step's updates over alpha by name: eta p or, for a torch optimizer, the change of the parameters."""
    if isinstance(task.optimizer, AdamFamily):
        return {name: eta * p for name, p in directions(task).items()}
    assert before is not None, "before_step was not called"
    alpha = task.config.optimizer.lr
    return task.named([(old - new) / alpha for old, new in zip(before, task.optimized(), strict=True)])


@torch.no_grad()
def directions(task: Task) -> dict[str, Tensor]:
    """p of every parameter by name: the last step's update without its step size."""
    assert isinstance(task.optimizer, AdamFamily)
    return task.named(_read(task.optimizer, task.optimizer.direction))


@torch.no_grad()
def effective_decays(task: Task) -> dict[str, Tensor]:
    """Each coordinate's own decay in the last step over lambda eta, by parameter name; requires `task.tells_decay`."""
    assert isinstance(task.optimizer, AdamFamily) and task.optimizer.effective_decay is not None
    decays = _read(task.optimizer, task.optimizer.effective_decay)
    weight_decay = task.config.optimizer.weight_decay
    # Each group has its own lambda if layers are unbalanced.
    own = [group["weight_decay"] for group in task.optimizer.param_groups for _ in group["params"]]
    return task.named([decay * (of_group / weight_decay) for decay, of_group in zip(decays, own, strict=True)])


@torch.no_grad()
def _drown_out_shares(task: Task) -> dict[str, float]:
    """The share of coordinates with lambda |x| above sqrt(u_hat), by layer group; empty if the decay is not known."""
    config = task.config.optimizer
    if not task.tells_decay:
        return {}
    assert isinstance(task.optimizer, AdamFamily)
    states = [task.optimizer.state[p] for p in task.optimized()]
    if task.loss_second_moment is not None:
        u = task.loss_second_moment.u
    else:
        assert task.optimizer.loss_second_moment is not None
        u = [state[task.optimizer.loss_second_moment] for state in states]
    scales = [(m / (1 - config.betas[1] ** s["step"])).sqrt().to(m.dtype) for m, s in zip(u, states, strict=True)]
    x = dict(task.model.named_parameters())
    return drown_out_shares(x, task.named(scales), config.weight_decay, task.groups)


def _read(optimizer: AdamFamily, reading: Reading) -> list[Tensor]:
    """A reading of the optimizer's state after a step, parameter by parameter."""
    return list(itertools.chain(*(optimizer.read(reading, group) for group in optimizer.param_groups)))
