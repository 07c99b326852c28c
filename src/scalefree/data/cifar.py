"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): downloaded and MD5-checked by torchvision, or an unpacked folder."""

from pathlib import Path

import numpy as np

from scalefree.data.cache import Prepared, cached, listing_key, user_cache
from scalefree.data.dataset import DatasetError, RawSplit
from scalefree.data.image_folder import list_images, read_image_folder

# Order-independent fingerprints of the original images (see `dataset.fingerprint`).
FINGERPRINTS = {
    "cifar10": {
        "train": "d59acf989e068e709ce686cda292672c7b212c08d29d3d3e6d8c3aa99eba6a85",
        "test": "899683d46c3a8c66fd56e1af12202e69fe5a4517be10b0f68e04c78fe585c57c",
    },
    "cifar100": {
        "train": "36ce7a701fbea47796e570c34382aad50f2539687cfcbc6ae96e2f56530d29b6",
        "test": "d3cd5d87a1b9317a0982c8ef5535fe3b86da8da90b13ce5e9b23ea06400dd5eb",
    },
}

# The authors' constants for normalisation.
MEAN_STD = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
}


def _download(name: str, root: Path) -> tuple[RawSplit, RawSplit, tuple[str, ...]]:
    from torchvision import datasets  # slow to import, and only needed here

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    splits = []
    try:
        for train in (True, False):
            split = kind(str(root), train=train, download=True)
            splits.append(RawSplit(np.asarray(split.data), np.asarray(split.targets, dtype=np.int64)))
    except (OSError, RuntimeError) as error:
        raise DatasetError(
            f"{name} could not be downloaded to {root} ({error}); put torchvision's files there, or set "
            f"dataset.root to an image folder of {name}, or train on dataset=digits"
        ) from None
    return splits[0], splits[1], tuple(split.classes)


def read_cifar(name: str, root: Path | None) -> Prepared:
    """Both splits (N, 32, 32, 3) in canonical order, from torchvision or from an image folder at `root`.

    Raises:
        DatasetError: a failed download, a bad folder, or images that are not exactly the published ones.
    """
    root = root or user_cache()
    if root is None:
        raise DatasetError(f"dataset={name} has no place for its download, this user has no home; set dataset.root=DIR")
    if (root / "train").is_dir() or (root / "test").is_dir():
        files = [file for classes in list_images(root).values() for group in classes.values() for file in group]
        content = cached(root, listing_key(root, files), lambda: read_image_folder(root))
    else:
        content = cached(root, f"{name}-from-torchvision", lambda: _download(name, root))
    for split, expected in FINGERPRINTS[name].items():
        if content[3][split] != expected:
            raise DatasetError(
                f"dataset.root={root} does not hold {name}: the images of {split}/ have the fingerprint "
                f"{content[3][split][:12]} and not {expected[:12]}; use dataset=image_folder for other images"
            )
    return content
