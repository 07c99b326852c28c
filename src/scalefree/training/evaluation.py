"""Loss and error of a model over whole splits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scalefree.data import Batch, Split, evaluation_batches
from scalefree.training.device import autocast
from scalefree.training.task import Task

# Pixels per batch: a GPU needs large batches; on a CPU the activations should stay in the caches.
PIXELS = {"cuda": 2048 * 32 * 32, "cpu": 128 * 32 * 32}


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy in nats, and the share of wrong answers in [0, 1]."""

    loss: float
    error: float


def batch_size(split: Split) -> int:
    """The number of a split's images to evaluate at once on its device."""
    return max(1, PIXELS[split.images.device.type] // split.images[0, 0].numel())


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Iterable[Batch], precision: str, between_batches: Callable[[], None] = lambda: None
) -> Evaluation:
    """Loss and error over all batches, with BatchNorm in evaluation mode.

    Sums are accumulated on the device in float64 and read once, at the end. Logits that are not finite count as wrong
    answers. If `between_batches` raises, the evaluation ends and the model is left in its previous mode.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    totals: Tensor = torch.zeros(2, dtype=torch.float64, device=device)
    images = 0
    try:
        for inputs, labels in batches:
            with autocast(precision, device):
                logits = model(inputs)
            logits = logits.float()
            right = (logits.argmax(1) == labels) & torch.isfinite(logits).all(1)
            totals[0] += F.cross_entropy(logits, labels, reduction="sum")
            totals[1] += (~right).sum()
            images += len(labels)
            between_batches()
    finally:
        model.train(was_training)
    loss, wrong = (totals / images).tolist()
    return Evaluation(loss, wrong)


def evaluate_all(task: Task, epoch: int, between_batches: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Loss and error of every split, and the loss of the training set augmented as for an epoch (counted from 0).

    Losses of the training set include the multiplier. The authors' code reports the augmented one, in evaluation mode;
    it also multiplies the test loss, which is not done here.
    """
    values = {}
    multiplier = task.config.training.loss_multiplier
    for name, split in task.dataset.splits.items():
        batches = evaluation_batches(split, task.batches.normalization, batch_size(split))
        result = evaluate(task.model, batches, task.config.precision, between_batches)
        values[f"{name}_loss"] = result.loss * (multiplier if name == "train" else 1.0)
        values[f"{name}_error"] = result.error
        if name == "train":
            values["augmented_train_loss"] = values["train_loss"]
            if task.batches.augments:
                batches = task.batches.evaluation(epoch, batch_size(split))
                result = evaluate(task.model, batches, task.config.precision, between_batches)
                values["augmented_train_loss"] = result.loss * multiplier
    return values
