"""scikit-learn's 1,797 handwritten digits at 8x8 (UCI, Alpaydin and Kaynak 1998): no download, no decoding."""

import numpy as np

from scalefree.data.dataset import RawSplit
from scalefree.data.splitting import held_out

TEST_SHARE = 0.2
# The split is part of the data set: fixed for every run and every seed.
SPLIT_SEED = 2022


def read_digits() -> tuple[RawSplit, RawSplit, tuple[str, ...]]:
    """Train (1,438) and test (359) images (N, 8, 8, 1), balanced over classes; pixels 0..16 become 0..240."""
    from sklearn.datasets import load_digits  # slow to import, and only needed here

    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[..., None]
    labels = digits.target.astype(np.int64)
    is_test = held_out(labels, TEST_SHARE, SPLIT_SEED)
    return (
        RawSplit(images[~is_test], labels[~is_test]),
        RawSplit(images[is_test], labels[is_test]),
        tuple(str(name) for name in digits.target_names),
    )
