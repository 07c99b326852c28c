"""The images that a benchmark trains on: real ones if a folder is given, otherwise generated; as an image folder."""

from pathlib import Path

import torch
from PIL import Image

from scalefree.data import Dataset, load_dataset

CLASSES = 10
SIDE = 32


def _generated(count: int, split: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(len(split))
    return torch.randint(0, 256, (count, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


def make_folder(target: Path, train: int, test: int, root: str | None) -> Path:
    """`target/{train,test}/<class>/*.png` with about `train` and `test` images, equally many per class.

    `root` is a folder with CIFAR-10 as images or torchvision's files.
    """
    real = None if root is None else load_dataset("cifar10", root)
    for split, count in (("train", train), ("test", test)):
        each = max(1, count // CLASSES)
        for label in range(CLASSES):
            if real is None:
                images = _generated(each * CLASSES, split)[label * each : (label + 1) * each]
            else:
                source = real.splits[split]
                images = source.images[source.labels == label][:each]
            folder = target / split / str(label)
            folder.mkdir(parents=True)
            for place, image in enumerate(images):
                Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{place:05}.png")
    return target


def read_folder(folder: Path, per_class: int | None = None) -> Dataset:
    """The folder as resident tensors, with all training images or `per_class` of each class."""
    return load_dataset("image_folder", folder, per_class=per_class)
