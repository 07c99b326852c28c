"""Batches of an epoch, made on the device from the resident tensors."""

from collections.abc import Iterator

import torch
from torch import Tensor

from scalefree.data.augmentation import Augmentation, EpochPlan, Normalization, epoch_plan, within_batches
from scalefree.data.dataset import Dataset, Split

Batch = tuple[Tensor, Tensor]


class TrainBatches:
    """The training batches of any epoch, from any step onwards; the short last batch is kept."""

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        crop_padding: int,
        horizontal_flip: bool,
        seed: int,
        memory_format: torch.memory_format = torch.contiguous_format,
        replica: int = 0,
    ) -> None:
        """A replica above 0 has the same batches with the same augmentation, but in each the images in another
        order.
        """
        self.split = dataset.train
        self.batch_size = batch_size
        self.crop_padding = crop_padding
        self.horizontal_flip = horizontal_flip
        self.seed = seed
        self.replica = replica
        self.augmentation = Augmentation(self.split.images, crop_padding)
        self.normalization = Normalization(dataset.mean, dataset.std, self.split.images.device, memory_format)

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-len(self.split) // self.batch_size)

    @property
    def augments(self) -> bool:
        """Whether an image of a batch may differ from the one in the split."""
        return self.crop_padding > 0 or self.horizontal_flip

    def plan(self, epoch: int) -> EpochPlan:
        """Order, crops and flips of an epoch (counted from 0), on the data's device."""
        images = len(self.split)
        plan = epoch_plan(self.seed, epoch, images, self.crop_padding, self.horizontal_flip)
        if self.replica:
            plan = plan.reordered(within_batches(self.seed, self.replica, epoch, images, self.batch_size))
        return plan.to(self.split.images.device)

    def evaluation(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        """The whole split, freshly augmented, for the training loss as the authors' code evaluates it.

        Its crops and flips differ from those of every training epoch. Without augmentation these are the plain images.
        """
        plan = epoch_plan(self.seed, epoch, len(self.split), self.crop_padding, self.horizontal_flip, "evaluation ")
        plan = plan.to(self.split.images.device)
        for start in range(0, len(self.split), batch_size):
            yield self.make(plan, slice(start, start + batch_size))

    def places(self, step: int) -> slice:
        """The places of a step's batch in the plan of its epoch."""
        return slice(step * self.batch_size, (step + 1) * self.batch_size)

    def make(self, plan: EpochPlan, places: slice | Tensor) -> Batch:
        """The batch at some places of the plan: normalised float32 images (B, C, H, W) and labels (B,).

        If the places are a tensor of indices (B,) on the device, the host never reads them.
        """
        images, labels = self.augmented(plan, places)
        return self.normalization(images), labels

    def augmented(self, plan: EpochPlan, places: slice | Tensor) -> Batch:
        """The same, before the normalisation: images as uint8."""
        index = plan.order[places]
        images = self.augmentation(index, plan.top[places], plan.left[places], plan.flip[places])
        return images, self.split.labels[index]

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from a given step, as an exactly resumed run needs them."""
        plan = self.plan(epoch)
        for step in range(start_step, len(self)):
            yield self.make(plan, self.places(step))


def evaluation_batches(split: Split, normalization: Normalization, batch_size: int) -> Iterator[Batch]:
    """The whole split in order and without augmentation."""
    for start in range(0, len(split), batch_size):
        part = slice(start, start + batch_size)
        yield normalization(split.images[part]), split.labels[part]
