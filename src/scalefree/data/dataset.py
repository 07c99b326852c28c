"""The common form of all data sets: resident uint8 tensors in an order that depends only on their content."""

import dataclasses
import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scalefree.terminal import shown

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


class DatasetError(ValueError):
    """A data set is missing, incomplete, damaged or mislabelled; the message is one line that says what and where.

    It includes file names, in which characters that would control a terminal are escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


@dataclass(frozen=True)
class RawSplit:
    """Decoded images (N, H, W, C) uint8 and labels (N,) int64, in the source's order."""

    images: Images
    labels: Labels


@dataclass(frozen=True)
class Split:
    """Images (N, C, H, W) uint8 and labels (N,) int64, resident on one device, in canonical order."""

    images: Tensor
    labels: Tensor
    fingerprint: str

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Split":
        """The same split on another device."""
        return dataclasses.replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """A classification data set of images of one size.

    Attributes:
        train, test: the two splits; `validation` is the held-out part of train, or None.
        class_names: in label order.
        mean, std: per channel, of pixels in [0, 1], for normalisation.
    """

    name: str
    train: Split
    test: Split
    validation: Split | None
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def in_channels(self) -> int:
        return self.train.images.shape[1]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def splits(self) -> dict[str, Split]:
        """The existing splits, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each split, for the record."""
        return {name: split.fingerprint for name, split in self.splits.items()}

    def to(self, device: torch.device) -> "Dataset":
        """The same data set on another device."""
        validation = None if self.validation is None else self.validation.to(device)
        return dataclasses.replace(self, train=self.train.to(device), test=self.test.to(device), validation=validation)


def digests(raw: RawSplit) -> list[bytes]:
    """SHA-256 of every image: its label in one byte (eight if there are more than 256 classes), then its pixels."""
    width = 1 if raw.labels.max(initial=0) < 256 else 8
    return [
        hashlib.sha256(int(label).to_bytes(width, "little") + image.tobytes()).digest()
        for image, label in zip(raw.images, raw.labels, strict=True)
    ]


def fingerprint(image_digests: list[bytes]) -> str:
    """SHA-256 of the sorted digests, which is the same for any order of the images."""
    return hashlib.sha256(b"".join(sorted(image_digests))).hexdigest()


def canonical(raw: RawSplit) -> tuple[RawSplit, str]:
    """The split sorted by (label, digest), and its fingerprint.

    CIFAR's official order is lost when the images are stored as files. With a canonical order, the resident tensors,
    and hence a run at a given seed, are the same wherever the images came from.
    """
    image_digests = digests(raw)
    order = sorted(range(len(raw.labels)), key=lambda i: (raw.labels[i], image_digests[i]))
    return RawSplit(raw.images[order], raw.labels[order]), fingerprint(image_digests)


def resident(raw: RawSplit, split_fingerprint: str) -> Split:
    """A split that is already in canonical order, as tensors on the CPU."""
    images = torch.from_numpy(np.ascontiguousarray(raw.images.transpose(0, 3, 1, 2)))
    return Split(images, torch.from_numpy(raw.labels.astype(np.int64)), split_fingerprint)
