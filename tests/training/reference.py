"""The specified training protocol, written a second time with torch's own optimizers and its own loop."""

import importlib
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from scalefree.config import RunConfig
from scalefree.data import Dataset
from scalefree.data.augmentation import EpochPlan, epoch_plan
from scalefree.records import Outcome, run_identity
from scalefree.tracking import NullTracker
from scalefree.training.task import build_model, build_task, load_data
from scalefree.training.trainer import Trainer

# The module; `scalefree.training.run` is the function of the same name.
RUN_MODULE = importlib.import_module("scalefree.training.run")


@dataclass
class Trained:
    """The reference's result: the network, every step's loss, and every epoch's evaluations."""

    model: nn.Module
    losses: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_error: list[float] = field(default_factory=list)


def normalized(images: np.ndarray, dataset: Dataset) -> Tensor:
    """Normalizes uint8 (B, C, H, W) in float64, and converts to float32 at the end."""
    mean, std = (np.array(v).reshape(1, -1, 1, 1) for v in (dataset.mean, dataset.std))
    return torch.from_numpy((images / 255 - mean) / std).float()


def batch_of(dataset: Dataset, plan: EpochPlan, places: range, padding: int) -> tuple[Tensor, Tensor]:
    """A batch, image by image: pad with black, crop, mirror."""
    images = []
    for place in places:
        image = dataset.train.images[plan.order[place]].numpy()
        _, height, width = image.shape
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        top, left = int(plan.top[place]), int(plan.left[place])
        cut = padded[:, top : top + height, left : left + width]
        images.append(cut[:, :, ::-1] if plan.flip[place] else cut)
    labels = dataset.train.labels[plan.order[places.start : places.stop]]
    return normalized(np.stack(images), dataset), labels


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean over the batch, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_normalizer = np.log(np.exp(shifted).sum(axis=1))
    return float((log_normalizer - shifted[np.arange(len(labels)), labels]).mean())


@torch.no_grad()
def loss_and_error(model: nn.Module, images: Tensor, labels: Tensor, dataset: Dataset) -> tuple[float, float]:
    model.eval()
    logits = model(normalized(images.numpy(), dataset)).numpy()
    model.train()
    return cross_entropy(logits, labels.numpy()), float((logits.argmax(axis=1) != labels.numpy()).mean())


def train_by_the_book(config: RunConfig) -> Trained:
    """Trains a whole run; only with `adaml2` or `adamw`, which torch has too."""
    dataset = load_data(config.dataset)
    model = build_model(config, dataset)
    alpha, decay = config.optimizer.lr, config.optimizer.weight_decay
    betas = (config.optimizer.betas[0], config.optimizer.betas[1])
    if config.optimizer.name == "adaml2":
        optimizer = torch.optim.Adam(model.parameters(), alpha, betas, config.optimizer.eps, weight_decay=decay)
    else:
        # The paper's lambda is not multiplied by the step size; torch's is.
        optimizer = torch.optim.AdamW(
            model.parameters(), alpha, betas, config.optimizer.eps, weight_decay=decay / alpha
        )
    trained = Trained(model)
    total, size = len(dataset.train), config.training.batch_size
    multiplier = config.training.loss_multiplier
    for epoch in range(config.training.epochs):
        if config.schedule.name == "cosine":
            optimizer.param_groups[0]["lr"] = alpha * (1 + math.cos(math.pi * epoch / config.training.epochs)) / 2
        plan = epoch_plan(config.seed, epoch, total, config.dataset.crop_padding, config.dataset.horizontal_flip)
        for start in range(0, total, size):
            places = range(start, min(start + size, total))
            inputs, labels = batch_of(dataset, plan, places, config.dataset.crop_padding)
            loss = nn.CrossEntropyLoss()(model(inputs), labels) * multiplier
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            trained.losses.append(loss.item())
        train_loss, _ = loss_and_error(model, dataset.train.images, dataset.train.labels, dataset)
        test_loss, test_error = loss_and_error(model, dataset.test.images, dataset.test.labels, dataset)
        trained.train_loss.append(train_loss * multiplier)
        trained.test_loss.append(test_loss)
        trained.test_error.append(test_error)
    return trained


def trainer_of(config: RunConfig, checkpoint: Path) -> Trainer:
    """The package's trainer without store and tracker, from its checkpoint or from the beginning."""
    task = build_task(config, load_data(config.dataset), torch.device(config.device))
    return Trainer(task, run_identity(config), checkpoint, NullTracker(), lambda epoch, metrics: None)


def train(config: RunConfig, checkpoint: Path) -> tuple[Trainer, Outcome]:
    """Trains with the package; the trainer has the network and the measurements."""
    trainer = trainer_of(config, checkpoint)
    return trainer, trainer.train()
