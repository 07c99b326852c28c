"""One optimizer step, which the plain loop calls and the fast one captures."""

import torch.nn.functional as F
from torch import Tensor

from scalefree.training.device import autocast
from scalefree.training.task import Task


def backward(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Leave the gradients of one batch's loss, times the multiplier, and return that. Reads nothing back."""
    config = task.config
    task.zero_grad()
    with autocast(config.precision, task.device):
        logits = task.forward(inputs)
    loss = config.training.loss_multiplier * F.cross_entropy(logits.float(), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def take_step(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Train on one batch; returns its loss, times the multiplier, from before the step."""
    loss = backward(task, inputs, labels)
    task.update()
    return loss
