"""One optimizer step: what the plain loop calls and what the fast one captures."""

import torch.nn.functional as F
from torch import Tensor

from scalefree.training.device import autocast
from scalefree.training.task import Task


def take_step(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """Train on one batch; returns its loss, times the multiplier, from before the step. Reads nothing back."""
    config = task.config
    task.zero_grad()
    with autocast(config.precision, task.device):
        logits = task.forward(inputs)
    loss = config.training.loss_multiplier * F.cross_entropy(logits.float(), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    task.update()
    return loss.detach()
