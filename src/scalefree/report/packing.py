"""Pack numbers compactly for the page: 16 bits each, compressed, in base64. `explorer.js` reads them back.

The codes follow a JSON header. Neither depends on the order in which files were read, so the same store gives the same
bytes.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float64]

# For an error in [0, 1]: steps of 0.0015 points.
SHARE_STEPS = 65535
# For a positive number: from 2^LOWEST upwards in steps of 2^(1/STEPS); code 0 is zero or anything smaller. Losses are
# accurate to 0.05 %, histogram shares to 0.14 %; no network of up to 2^40 coordinates has a smaller share.
LOWEST = -40
LOSS_STEPS, HISTOGRAM_STEPS = 800, 256


def linear_codes(values: Floats) -> Codes:
    """Errors, finite numbers in [0, 1], as codes of the same shape."""
    codes: Codes = np.rint(np.clip(values, 0, 1) * SHARE_STEPS).astype(np.uint16)
    return codes


def log_codes(values: Floats, steps: int) -> Codes:
    """Finite numbers of at least 0 as codes of the same shape; too large ones get the highest code."""
    with np.errstate(divide="ignore"):
        codes = 1 + np.rint((np.log2(values) - LOWEST) * steps)
    fitting: Codes = np.clip(codes, 0, 65535).astype(np.uint16)
    return fitting


def pack(header: dict[str, Any], codes: Sequence[Codes]) -> str:
    """Base64 of a zlib stream: the header's length in bytes as a little-endian uint32, the header, and all codes in
    order, first all high bytes and then all low ones, which compresses better.
    """
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    joined = np.concatenate([part.ravel() for part in codes]) if codes else np.zeros(0, np.uint16)
    planes = (joined >> 8).astype(np.uint8).tobytes() + (joined & 255).astype(np.uint8).tobytes()
    return base64.b64encode(zlib.compress(len(text).to_bytes(4, "little") + text + planes, 9)).decode()
