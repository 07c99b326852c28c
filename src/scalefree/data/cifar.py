"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), downloaded and MD5-checked by torchvision or read from a folder."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scalefree.data.cache import Prepared, prepared, read_image_folder
from scalefree.data.dataset import DatasetError, Images, RawSplit
from scalefree.data.packed import has_packed, read_packed
from scalefree.paths import user_cache
from scalefree.terminal import shown

log = logging.getLogger(__name__)

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

# Side length of a published image in pixels.
SIDE = 32


def averaged(images: Images, resolution: int) -> Images:
    """Images (N, 32, 32, C) averaged over square blocks to (N, resolution, resolution, C), halves rounded up."""
    count, side, _, channels = images.shape
    block = side // resolution
    sums = images.reshape(count, resolution, block, resolution, block, channels).sum(axis=(2, 4), dtype=np.uint32)
    rounded: Images = ((2 * sums + block * block) // (2 * block * block)).astype(np.uint8)
    return rounded


@contextlib.contextmanager
def _one_at_a_time(root: Path, name: str) -> Iterator[None]:
    """Hold a lock, so that only one process at a time downloads `name` to `root`.

    On a file system without locks this does nothing. The lock file is not removed, because waiting processes have it
    open.
    """
    root.mkdir(parents=True, exist_ok=True)
    with open(os.open(root / f".{name}.lock", os.O_RDWR | os.O_CREAT, 0o666), "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is downloading %s to %s; waiting for it", name, shown(root))
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            log.info("no lock on %s: %s", shown(root), error)
        yield


def _from_torchvision(name: str, root: Path) -> tuple[RawSplit, RawSplit, tuple[str, ...]]:
    from torchvision import datasets  # slow to import, and only needed here

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]

    def read(download: bool) -> tuple[RawSplit, RawSplit, tuple[str, ...]]:
        """What torchvision finds at `root`, with MD5 sums checked; RuntimeError if something is missing or wrong."""
        splits = [kind(str(root), train=train, download=download) for train in (True, False)]
        train, test = (RawSplit(np.asarray(s.data), np.asarray(s.targets, dtype=np.int64)) for s in splits)
        return train, test, tuple(splits[0].classes)

    try:
        for path in (root / kind.filename, *(root / kind.base_folder).glob("*")):
            if path.exists() and not path.is_file():  # torchvision would wait for a pipe
                raise DatasetError(f"{path} is a folder, a pipe or a device, not a file; remove it")
        # First without the lock, which a read-only folder does not allow.
        with contextlib.suppress(RuntimeError):
            return read(download=False)
        with _one_at_a_time(root, name):
            return read(download=True)
    except (OSError, RuntimeError) as error:
        raise DatasetError(
            f"{name} could not be downloaded to {root} ({error}); put torchvision's files there, or set "
            f"dataset.root to an image folder of {name}, or train on dataset=digits"
        ) from None


def read(name: str, root: Path | None, resolution: int | None = None) -> Prepared:
    """Read both splits in canonical order from an image folder, a packed file or torchvision's files at `root`.

    The images are (N, 32, 32, 3), or averaged to `resolution` after they have been checked against the published ones.
    Averaged images have their own canonical order and fingerprints. A packed file (`packed.py`) contains averages and
    is checked against those fingerprints.

    Raises:
        DatasetError: a failed download, a bad folder, or images that are not exactly the published ones.
    """
    root = root or user_cache()
    if root is None:
        raise DatasetError(
            f"{name} cannot be downloaded, because there is no home folder; set dataset.root to a folder"
        )
    if os.path.isdir(root / "train") or os.path.isdir(root / "test"):
        found = read_image_folder(root)
    elif resolution is not None and has_packed(root, name, resolution):
        return read_packed(root, name, resolution)
    else:
        found = prepared(_from_torchvision(name, root))
    for split, expected in FINGERPRINTS[name].items():
        if found[3][split] != expected:
            raise DatasetError(
                f"dataset.root={root} does not contain {name}: the images of {split}/ have the fingerprint "
                f"{found[3][split][:12]} instead of {expected[:12]}; use dataset=image_folder for other images"
            )
    if resolution in (None, SIDE):
        return found
    train, test, names, _ = found
    smaller = [RawSplit(averaged(split.images, resolution), split.labels) for split in (train, test)]
    return prepared((smaller[0], smaller[1], names))
