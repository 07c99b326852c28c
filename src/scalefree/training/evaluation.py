"""Loss and error of a model over whole splits."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scalefree.data import Split, evaluation_batches
from scalefree.data.augmentation import Normalization
from scalefree.training.device import autocast

# A GPU wants large batches; on a CPU the activations should stay near the caches. Both in pixels.
PIXELS = {"cuda": 2048 * 32 * 32, "cpu": 128 * 32 * 32}


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy in nats, and the share of wrong answers in [0, 1]."""

    loss: float
    error: float


@torch.no_grad()
def evaluate(
    model: nn.Module,
    split: Split,
    normalization: Normalization,
    precision: str,
    between_batches: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Evaluate on a whole split without augmentation, BatchNorm using its running statistics.

    Sums are accumulated on the device in float64 and read once, at the end. Logits that are not finite count as
    wrong answers. What `between_batches` raises ends the evaluation, and the model is as it was before.
    """
    device = split.images.device
    batch_size = max(1, PIXELS[device.type] // split.images[0, 0].numel())
    was_training = model.training
    model.eval()
    totals: Tensor = torch.zeros(2, dtype=torch.float64, device=device)
    try:
        for inputs, labels in evaluation_batches(split, normalization, batch_size):
            with autocast(precision, device):
                logits = model(inputs)
            logits = logits.float()
            right = (logits.argmax(1) == labels) & torch.isfinite(logits).all(1)
            totals[0] += F.cross_entropy(logits, labels, reduction="sum")
            totals[1] += (~right).sum()
            between_batches()
    finally:
        model.train(was_training)
    loss, wrong = (totals / len(split)).tolist()
    return Evaluation(loss, wrong)
