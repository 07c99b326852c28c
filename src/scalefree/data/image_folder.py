"""`root/{train,test}/<class>/*.png`: any set of images of one size, checked completely before it is used."""

import concurrent.futures
import os
from pathlib import Path

import numpy as np
from PIL import Image

from scalefree.data.dataset import DatasetError, Images, RawSplit

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
SMALLEST_SIDE = 8
Listing = dict[str, dict[str, list[Path]]]


def list_images(root: Path) -> Listing:
    """Image files by split and class, in sorted order; hidden files are passed over.

    Raises:
        DatasetError: a missing or empty folder, or classes that differ between train and test.
    """
    layout = "expected an image folder with train/<class>/*.png and test/<class>/*.png"
    if not os.path.isdir(root):
        raise DatasetError(f"dataset.root={root} does not exist; {layout}")
    listing: Listing = {}
    for split in ("train", "test"):
        folder = root / split
        if not folder.is_dir():
            raise DatasetError(f"dataset.root={root} has no {split}/ folder; {layout}")
        classes = {
            entry.name: sorted(
                file for file in entry.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
            )
            for entry in sorted(folder.iterdir())
            if entry.is_dir() and not entry.name.startswith(".")
        }
        if not classes:
            raise DatasetError(f"{folder} has no class folders; {layout}")
        for name, files in classes.items():
            if not files:
                raise DatasetError(f"{folder / name} holds no image ({', '.join(SUFFIXES)}); fill or remove it")
        listing[split] = classes
    for here, there in (("test", "train"), ("train", "test")):
        if missing := sorted(listing[here].keys() - listing[there].keys()):
            raise DatasetError(
                f"{root / here} has the class {missing[0]!r} that {there}/ lacks; both need the same classes"
            )
    return listing


def _decode(file: Path) -> Images:
    try:
        with Image.open(file) as image:
            grey = image.mode in ("1", "L")
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except Exception as error:  # Pillow raises many kinds, and each means the same here
        raise DatasetError(f"{file} is no readable image ({error}); replace or remove it") from None
    return pixels[..., None] if grey else pixels


def read_image_folder(root: Path) -> tuple[RawSplit, RawSplit, tuple[str, ...]]:
    """Train and test images and the class names, whose sorted order gives the labels.

    Images become greyscale (one channel) when all of them are, and RGB otherwise.

    Raises:
        DatasetError: whatever `list_images` refuses, an unreadable image, images of different sizes or too small.
    """
    listing = list_images(root)
    names = tuple(sorted(listing["train"]))
    splits: dict[str, tuple[list[Images], list[int]]] = {}
    first: tuple[Path, tuple[int, ...]] | None = None
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for split, classes in listing.items():
            images, labels = splits.setdefault(split, ([], []))
            for label, name in enumerate(names):
                for file, image in zip(classes[name], pool.map(_decode, classes[name]), strict=True):
                    size = image.shape[:2]
                    first = first or (file, size)
                    if size != first[1]:
                        raise DatasetError(
                            f"{file} is {size[1]}x{size[0]} but {first[0]} is {first[1][1]}x{first[1][0]}; "
                            "all images need one size"
                        )
                    if min(size) < SMALLEST_SIDE:
                        raise DatasetError(
                            f"{file} is {size[1]}x{size[0]}; the networks need at least {SMALLEST_SIDE} pixels a side"
                        )
                    images.append(image)
                    labels.append(label)
    all_grey = all(image.shape[2] == 1 for images, _ in splits.values() for image in images)
    channels = 1 if all_grey else 3

    def raw(split: str) -> RawSplit:
        images, labels = splits[split]
        stacked = np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])
        return RawSplit(stacked, np.array(labels, dtype=np.int64))

    return raw("train"), raw("test"), names
