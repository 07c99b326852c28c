"""CIFAR-10 averaged to 16x16 in one file of 31 MiB, for machines to which the published 95 MiB cannot be sent.

The file need not be trusted: its images are averages of the published ones if and only if they have the fingerprints
below, which were computed from the checked published images.
"""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scalefree.data.cache import Prepared, prepared
from scalefree.data.dataset import DatasetError, Images, RawSplit
from scalefree.data.image_file import open_file
from scalefree.files import atomic_write

# Of the averaged images, by data set and resolution.
FINGERPRINTS = {
    ("cifar10", 16): {
        "train": "a026270d74e4c05223585f1a4398261c1518ecbc1611450842dd0ef51d4ca50f",
        "test": "e289284331b99c407cf8822feddac9f2512e37d5427e70f9c5c25e9cd92f0e29",
    },
}
CLASSES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
}


def packed_path(root: Path, name: str, resolution: int) -> Path:
    """The path of a data set's packed file."""
    return root / f"{name}-{resolution}x{resolution}.npz"


def _differences(images: Images) -> Images:
    """(N, H, W, C) -> (C, N, H, W): each pixel minus its left neighbour, modulo 256, which saves a quarter of the
    size.
    """
    planes = images.transpose(3, 0, 1, 2)
    return np.diff(planes, axis=3, prepend=np.zeros((), np.uint8)).astype(np.uint8)


def _images(differences: npt.NDArray[np.uint8]) -> Images:
    """The inverse of `_differences`."""
    return np.cumsum(differences, axis=3, dtype=np.uint8).transpose(1, 2, 3, 0)


def pack(path: Path, found: Prepared) -> None:
    """Write both splits to one file.

    Raises:
        OSError: the disk is full or the folder is read-only.
    """
    splits = dict(zip(("train", "test"), found[:2], strict=True))
    arrays = {f"{split}_differences": _differences(raw.images) for split, raw in splits.items()}
    arrays |= {f"{split}_labels": raw.labels.astype(np.uint8) for split, raw in splits.items()}
    with atomic_write(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def has_packed(root: Path, name: str, resolution: int) -> bool:
    """Whether `root` contains a packed file for which fingerprints are known."""
    return (name, resolution) in FINGERPRINTS and os.path.exists(packed_path(root, name, resolution))


def read_packed(root: Path, name: str, resolution: int) -> Prepared:
    """Both splits in canonical order, class names and fingerprints, exactly as from the published images.

    Raises:
        DatasetError: the file is damaged or contains other images.
    """
    path = packed_path(root, name, resolution)
    advice = "remove it, or make it again with scripts/pack.py"
    splits = []
    try:
        with open_file(path) as stream, np.load(stream, allow_pickle=False) as file:
            for split in ("train", "test"):
                differences, labels = file[f"{split}_differences"], file[f"{split}_labels"]
                if differences.ndim != 4 or {differences.dtype, labels.dtype} != {np.dtype(np.uint8)}:
                    raise ValueError(f"{split} images of shape {differences.shape} and type {differences.dtype}")
                if labels.shape != differences.shape[1:2]:
                    raise ValueError(f"{split} labels of shape {labels.shape}")
                splits.append(RawSplit(_images(differences), labels.astype(np.int64)))
        found = prepared((splits[0], splits[1], CLASSES[name]))
    except Exception as error:  # NumPy, zipfile and zlib raise many kinds for a damaged file, all with the same meaning
        raise DatasetError(f"{path} is damaged ({error}); {advice}") from None
    for split, expected in FINGERPRINTS[name, resolution].items():
        if found[3][split] != expected:
            raise DatasetError(
                f"{path} does not contain {name} averaged to {resolution}x{resolution}: the images of {split} have the "
                f"fingerprint {found[3][split][:12]} instead of {expected[:12]}; {advice}"
            )
    return found
