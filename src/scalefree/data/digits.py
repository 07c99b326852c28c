"""scikit-learn's 1,797 handwritten digits at 8x8 (UCI, Alpaydin and Kaynak 1998): no download, no decoding."""

from pathlib import Path

import numpy as np

from scalefree.data.cache import Prepared, prepared
from scalefree.data.dataset import RawSplit
from scalefree.data.splitting import held_out

TEST_SHARE = 0.2
# The split is part of the data set: fixed for every run and every seed.
SPLIT_SEED = 2022


def read(name: str, root: Path | None, resolution: int | None = None) -> Prepared:
    """Train (1,438) and test (359) images (N, 8, 8, 1), balanced over classes; pixels 0..16 become 0..240."""
    from sklearn.datasets import load_digits  # slow to import, and only needed here

    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    is_test = held_out(labels, TEST_SHARE, SPLIT_SEED)
    train, test = (RawSplit(images[chosen], labels[chosen]) for chosen in (~is_test, is_test))
    return prepared((train, test, tuple(map(str, digits.target_names))))
