"""Histograms in the format of a record's `histograms.npz`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.bins import QUANTITIES, SIZES, counts_name, edges_name


def histogram_arrays(
    epochs: Sequence[int],
    steps: Sequence[int],
    counts: Mapping[str, Sequence[Sequence[int]]],
    drown_out: Mapping[str, Sequence[float]],
) -> dict[str, npt.NDArray[Any]]:
    """`epoch` and `step` (E,), lower edges of bins, (E, bins) counts by quantity and layer group, and drown-out shares.

    `counts` has a row per measured epoch under `<quantity>/<group>`, `drown_out` a share per measured epoch by layer
    group. Names of arrays: `bins.py`.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "epoch": np.array(epochs, dtype=np.int64),
        "step": np.array(steps, dtype=np.int64),
        edges_name("update_scale"): SIZES.exponents,
    }
    for key, rows in counts.items():
        quantity, _, group = key.partition("/")
        arrays[counts_name(quantity, group)] = np.array(rows, dtype=np.int64).reshape(-1, len(QUANTITIES[quantity]))
        arrays[edges_name(quantity)] = QUANTITIES[quantity].exponents
    for group, shares in drown_out.items():
        arrays[f"drown_out_share/{group}"] = np.array(shares, dtype=np.float64)
    return arrays
