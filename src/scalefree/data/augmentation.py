"""Flips and padded crops of whole batches, from randomness drawn once per epoch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from scalefree.seeds import generator


@dataclass(frozen=True)
class EpochPlan:
    """The random choices of one epoch: the order of the images and, for each place in it, the crop and flip.

    Attributes:
        order: (N,) indices into the train split.
        top, left: (N,) corners of the crop in the padded image, 0 .. 2 padding.
        flip: (N,) whether the image is mirrored.
    """

    order: Tensor
    top: Tensor
    left: Tensor
    flip: Tensor

    def to(self, device: torch.device) -> "EpochPlan":
        """The same plan on another device."""
        return EpochPlan(*(t.to(device) for t in (self.order, self.top, self.left, self.flip)))

    def reordered(self, places: Tensor) -> "EpochPlan":
        """The same images with the same crops and flips in another order: the image at places[i] moves to i."""
        return EpochPlan(*(t[places] for t in (self.order, self.top, self.left, self.flip)))


def epoch_plan(
    seed: int, epoch: int, images: int, crop_padding: int, horizontal_flip: bool, purpose: str = ""
) -> EpochPlan:
    """The plan of one epoch, which depends only on the arguments and is always drawn on the CPU.

    `purpose` gives the evaluation of augmented images its own random numbers.
    """
    order = torch.randperm(images, generator=generator(seed, f"{purpose}order", epoch))
    corners = torch.randint(2 * crop_padding + 1, (2, images), generator=generator(seed, f"{purpose}crop", epoch))
    flip = torch.rand(images, generator=generator(seed, f"{purpose}flip", epoch)) < 0.5
    return EpochPlan(order, corners[0], corners[1], flip if horizontal_flip else torch.zeros_like(flip))


def within_batches(seed: int, replica: int, epoch: int, images: int, batch_size: int) -> Tensor:
    """Places (N,) that reorder the images within each batch and keep every image in its batch, for a replica above
    0.
    """
    drawn = generator(seed, f"replica {replica}", epoch)
    starts = range(0, images, batch_size)
    return torch.cat([start + torch.randperm(min(batch_size, images - start), generator=drawn) for start in starts])


class Augmentation:
    """Crops and flips batches of uint8 images (N, C, H, W) on their device.

    The images are padded with zero pixels *before* normalisation, as in the authors' code, so the border is black, not
    the mean colour. One gather per batch: no loop over images, no host synchronisation, static shapes.
    """

    def __init__(self, images: Tensor, crop_padding: int) -> None:
        self.padded = F.pad(images, [crop_padding] * 4)
        _, channels, height, width = images.shape
        # Strides of the padded images, to address each pixel by one number.
        self.per_image, per_channel, self.per_row, _ = self.padded.stride()
        device = images.device
        planes = torch.arange(channels, device=device).view(1, -1, 1, 1) * per_channel
        rows = torch.arange(height, device=device).view(1, 1, -1, 1) * self.per_row
        columns = torch.arange(width, device=device).view(1, 1, 1, -1)
        self.upright = planes + rows + columns
        self.mirrored = planes + rows + columns.flip(3)

    def __call__(self, index: Tensor, top: Tensor, left: Tensor, flip: Tensor) -> Tensor:
        """The images `index` (B,) as uint8 (B, C, H, W), cropped at (top, left) and mirrored where `flip`."""
        corners = index * self.per_image + top * self.per_row + left
        pixels = torch.where(flip.view(-1, 1, 1, 1), self.mirrored, self.upright) + corners.view(-1, 1, 1, 1)
        return self.padded.take(pixels)


class Normalization:
    """uint8 (B, C, H, W) -> float32 in the given memory format: (x / 255 - mean) / std, channel by channel."""

    def __init__(
        self,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        means = torch.tensor(mean, dtype=torch.float64).view(1, -1, 1, 1)
        stds = torch.tensor(std, dtype=torch.float64).view(1, -1, 1, 1)
        self.scale = (1 / (255 * stds)).to(device, torch.float32)
        self.shift = (-means / stds).to(device, torch.float32)
        self.memory_format = memory_format

    def __call__(self, images: Tensor) -> Tensor:
        return torch.addcmul(self.shift, images.to(torch.float32, memory_format=self.memory_format), self.scale)
