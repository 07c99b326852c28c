"""Histograms in the format of a record's `histograms.npz`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.measure.distribution import QUANTITIES, SIZES


def histogram_arrays(
    epochs: Sequence[int],
    steps: Sequence[int],
    counts: Mapping[str, Sequence[Sequence[int]]],
    drown_out: Mapping[str, Sequence[float]],
) -> dict[str, npt.NDArray[Any]]:
    """`epoch` and `step` (E,), lower edges of bins, (E, bins) counts by quantity and layer group, and drown-out shares.

    `counts` has a row per measured epoch under `<quantity>/<group>`. For historical reasons the arrays of the update
    scale are called `counts/<group>`, the others `<quantity>_counts/<group>`; `<quantity>_log2_lower_edge` has the
    edges of quantities with their own bins. `drown_out` has a share per measured epoch by layer group.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "epoch": np.array(epochs, dtype=np.int64),
        "step": np.array(steps, dtype=np.int64),
        "log2_lower_edge": SIZES.exponents,
    }
    for key, rows in counts.items():
        quantity, _, group = key.partition("/")
        name = f"counts/{group}" if quantity == "update_scale" else f"{quantity}_counts/{group}"
        arrays[name] = np.array(rows, dtype=np.int64).reshape(-1, len(QUANTITIES[quantity]))
        if QUANTITIES[quantity] is not SIZES:
            arrays[f"{quantity}_log2_lower_edge"] = QUANTITIES[quantity].exponents
    for group, shares in drown_out.items():
        arrays[f"drown_out_share/{group}"] = np.array(shares, dtype=np.float64)
    return arrays
