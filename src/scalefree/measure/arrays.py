"""Histograms as a record's `histograms.npz` keeps them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.measure.distribution import BINS, EXPONENTS


def histogram_arrays(
    epochs: Sequence[int], counts: Mapping[str, Sequence[Sequence[int]]]
) -> dict[str, npt.NDArray[Any]]:
    """`epoch` (E,), `log2_lower_edge`, and (E, BINS) counts by quantity and layer group.

    `counts` has a row a measured epoch under `<quantity>/<group>`. The arrays of the update scale, which were there
    first, are called `counts/<group>`, the others `<quantity>_counts/<group>`.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "epoch": np.array(epochs, dtype=np.int64),
        "log2_lower_edge": EXPONENTS.astype(np.int64),
    }
    for key, rows in counts.items():
        quantity, _, group = key.partition("/")
        name = f"counts/{group}" if quantity == "update_scale" else f"{quantity}_counts/{group}"
        arrays[name] = np.array(rows, dtype=np.int64).reshape(-1, BINS)
    return arrays
