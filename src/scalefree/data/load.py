"""Load a checked, resident data set from its name and folder."""

import importlib
import os
from pathlib import Path

import numpy as np

from scalefree.data.cache import Prepared
from scalefree.data.dataset import Dataset, DatasetError, RawSplit, Split, canonical, resident
from scalefree.data.splitting import first_per_class, held_out
from scalefree.datasets import DATASETS

# Fixed, so that every run on a data set holds out the same images.
VALIDATION_SEED = 2022


def _read(name: str, root: Path | None, resolution: int | None) -> Prepared:
    """Read a data set with the module of `data/` that the table names."""
    if name not in DATASETS:
        raise DatasetError(f"dataset={name} is unknown; use one of {', '.join(DATASETS)}")
    source = importlib.import_module(f"scalefree.data.{DATASETS[name].module or name}")
    found: Prepared = source.read(name, root, resolution)
    return found


def _statistics(name: str, train: RawSplit) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Those of the table, otherwise mean and standard deviation of every channel in [0, 1] units."""
    if (published := DATASETS[name].mean_std) is not None:
        return published
    counts = [np.bincount(train.images[..., c].ravel(), minlength=256) for c in range(train.images.shape[3])]
    levels = np.arange(256) / 255
    means = [float(count @ levels / count.sum()) for count in counts]
    stds = [
        float(np.sqrt(count @ (levels - mean) ** 2 / count.sum())) for count, mean in zip(counts, means, strict=True)
    ]
    if 0 in stds:
        channel = f"channel {stds.index(0)}" if len(stds) > 1 else "every pixel"
        raise DatasetError(
            f"dataset={name}: {channel} has the same value in all training images, so that it cannot be normalised; "
            "replace them"
        )
    return tuple(means), tuple(stds)


def _split(raw: RawSplit) -> Split:
    return resident(*canonical(raw))


def load_dataset(
    name: str,
    root: str | Path | None = None,
    *,
    validation_fraction: float = 0.0,
    per_class: int | None = None,
    resolution: int | None = None,
) -> Dataset:
    """Load a data set to the CPU, in an order that depends only on its content.

    Args:
        name: a key of `datasets.DATASETS`.
        root: where the images are or will be downloaded; None is the user's cache folder (CIFAR).
        validation_fraction: fraction of each training class to hold out, the same images for every run.
        resolution: of CIFAR's images, 32 if None; 16 and 8 average them over blocks of 2x2 and 4x4 pixels.
        per_class: use only this many training images per class (before holding out); the test split is not affected.

    The normalisation statistics are those of all training images used, including the held-out part, so that they do not
    depend on the fraction.

    Raises:
        DatasetError: something is missing, empty, unreadable, mislabelled, too small or of different sizes.
    """
    folder = None if root is None else Path(os.path.expanduser(root))
    train, test, class_names, fingerprints = _read(name, folder, resolution)
    if per_class is not None:
        try:
            train = first_per_class(train, per_class)
        except ValueError as error:
            raise DatasetError(f"dataset.{error}") from None
    mean, std = _statistics(name, train)
    validation = None
    if validation_fraction > 0:
        chosen = held_out(train.labels, validation_fraction, VALIDATION_SEED)
        if not chosen.any() or chosen.all():
            raise DatasetError(
                f"dataset.validation_fraction={validation_fraction:g} of {len(train.labels)} images leaves a part "
                "empty; choose a fraction that leaves images in both parts, or 0 for no validation split"
            )
        validation = _split(RawSplit(train.images[chosen], train.labels[chosen]))
        train = RawSplit(train.images[~chosen], train.labels[~chosen])
    return Dataset(
        name=name,
        train=_split(train),
        test=resident(test, fingerprints["test"]),
        validation=validation,
        class_names=class_names,
        mean=mean,
        std=std,
    )
