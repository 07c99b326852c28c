"""`root/{train,test}/<class>/*.png`: any set of images of one size, checked completely before use.

Everything in a class folder must be an image (`image_file.py` lists the accepted kinds) and everything in `train/` and
`test/` must be a class folder; anything else is refused by name, never skipped. The exceptions are hidden files and
folders, whose names begin with a dot, and files that Windows leaves behind (`Thumbs.db`, `desktop.ini`). Links are
followed. Names may be any bytes: labels follow the byte order of the class names in every locale.
"""

import concurrent.futures
import logging
import os
from pathlib import Path

import numpy as np

from scalefree.data.dataset import DatasetError, Images, RawSplit
from scalefree.data.image_file import decode
from scalefree.paths import name_as_text
from scalefree.terminal import shown

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
PASSED_OVER = ("thumbs.db", "desktop.ini")
SMALLEST_SIDE = 8
LAYOUT = "expected an image folder with train/<class>/*.png and test/<class>/*.png"
# Image files by split ("train", "test") and class, all in the byte order of their names.
Listing = dict[str, dict[str, list[Path]]]
log = logging.getLogger(__name__)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """A folder's entries without those that are passed over, in byte order."""
    with os.scandir(folder) as entries:
        counted = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in PASSED_OVER]
    return sorted(counted, key=lambda entry: os.fsencode(entry.name))


def _list_class(folder: Path) -> list[Path]:
    kinds = ", ".join(SUFFIXES)
    files = []
    for entry in _entries(folder):
        file = folder / entry.name
        if entry.is_dir():
            raise DatasetError(f"{file} is a folder; move its images into {folder}, or remove it")
        if file.suffix.lower() not in SUFFIXES:
            raise DatasetError(f"{file} does not have the suffix of an image ({kinds}); convert or remove it")
        files.append(file)
    if not files:
        raise DatasetError(f"{folder} contains no images ({kinds}); fill or remove it")
    return files


def _list_split(folder: Path) -> dict[str, list[Path]]:
    classes = {}
    for entry in _entries(folder):
        if not entry.is_dir():
            raise DatasetError(f"{folder / entry.name} is not a class folder; move or remove it. {LAYOUT}")
        classes[entry.name] = _list_class(folder / entry.name)
    if not classes:
        raise DatasetError(f"{folder} has no class folders; {LAYOUT}")
    return classes


def list_images(root: Path) -> Listing:
    """All image files.

    Raises:
        DatasetError: a folder is missing, unreadable or empty, an entry is not an image or a class, or train and test
            have different classes.
    """
    listing: Listing = {}
    try:
        if not root.is_dir():
            raise DatasetError(
                f"dataset.root={root} {'is not a folder' if root.exists() else 'does not exist'}; {LAYOUT}"
            )
        for split in ("train", "test"):
            if not (root / split).is_dir():
                raise DatasetError(f"dataset.root={root} has no {split}/ folder; {LAYOUT}")
            listing[split] = _list_split(root / split)
        unread = [entry.name for entry in _entries(root) if entry.is_dir() and entry.name not in listing]
    except OSError as error:
        raise DatasetError(f"dataset.root={root} cannot be read: {error.filename}: {error.strerror}") from None
    if unread:
        log.info("only train/ and test/ of %s are read, not %s", shown(root), shown(", ".join(unread)))
    for here, there in (("test", "train"), ("train", "test")):
        for name in listing[here]:
            if name not in listing[there]:
                raise DatasetError(
                    f"{root / here} has the class '{name}', which {there}/ lacks; both need the same classes"
                )
    return listing


def class_names(listing: Listing) -> tuple[str, ...]:
    """The classes in label order, which is the byte order of their folders' names."""
    return tuple(map(name_as_text, listing["train"]))


def decode_images(listing: Listing) -> tuple[dict[str, RawSplit], dict[Path, bytes]]:
    """The images and labels of each split in the listing's order, and the SHA-256 of the bytes read from every file.

    The images become greyscale (one channel) if all of them are, and RGB otherwise.

    Raises:
        DatasetError: an image is refused or too small, or the images have different sizes.
    """
    images: dict[str, list[Images]] = {split: [] for split in listing}
    labels: dict[str, list[int]] = {split: [] for split in listing}
    digests: dict[Path, bytes] = {}
    first: tuple[Path, tuple[int, ...]] | None = None
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for split, classes in listing.items():
            for label, files in enumerate(classes.values()):
                for file, decoded in zip(files, pool.map(decode, files), strict=True):
                    size = decoded.pixels.shape[:2]
                    first = first or (file, size)
                    if size != first[1]:
                        raise DatasetError(
                            f"{file} is {size[1]}x{size[0]} but {first[0]} is {first[1][1]}x{first[1][0]}; "
                            "all images must have the same size"
                        )
                    if min(size) < SMALLEST_SIDE:
                        raise DatasetError(
                            f"{file} is {size[1]}x{size[0]}; the networks need at least {SMALLEST_SIDE} pixels per side"
                        )
                    images[split].append(decoded.pixels)
                    labels[split].append(label)
                    digests[file] = decoded.digest
    channels = max(image.shape[2] for split in images.values() for image in split)

    def raw(split: str) -> RawSplit:
        stacked = np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images[split]])
        return RawSplit(stacked, np.array(labels[split], dtype=np.int64))

    return {split: raw(split) for split in listing}, digests
