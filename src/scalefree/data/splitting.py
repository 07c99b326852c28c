"""Class-balanced parts of a split, drawn with a fixed seed and hence the same for every run."""

import numpy as np
import numpy.typing as npt
import torch

from scalefree.data.dataset import Labels, RawSplit
from scalefree.seeds import generator


def held_out(labels: Labels, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """A mask (N,) of the held-out images: `share` of every class, rounded."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = torch.randperm(len(members), generator=generator(seed, f"held out of class {label}"))
        chosen[members[order[: round(share * len(members))].numpy()]] = True
    return chosen


def first_per_class(raw: RawSplit, count: int) -> RawSplit:
    """The first `count` images of every class; in canonical order these are as good as random.

    Raises:
        ValueError: a class with fewer images.
    """
    keep = []
    for label in np.unique(raw.labels):
        members = np.flatnonzero(raw.labels == label)
        if len(members) < count:
            raise ValueError(
                f"per_class={count} is more than the {len(members)} images of class {label}; choose a smaller number"
            )
        keep.append(members[:count])
    index = np.concatenate(keep)
    return RawSplit(raw.images[index], raw.labels[index])
