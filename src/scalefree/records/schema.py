"""What a record may contain: one table each for its document, its curves and its histograms.

A new name needs a new line here. Everything in a record must be in these tables and match them. Which names are
required is decided by the checks in `record.py` and `arrays.py`; names that were added later are not, so that older
records stay readable.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scalefree.config import MOST_NESTED
from scalefree.optimizers import BY_CHANGE, BY_DIRECTION
from scalefree.records.printable import quoted

RECORD_FORMAT = 1

Status = Literal["completed", "diverged", "failed"]

# Raises ValueError if the value at a dotted place of the document is invalid.
Check = Callable[[str, Any], None]


def _check(holds: Callable[[Any], bool], what: str) -> Check:
    def check(place: str, value: Any) -> None:
        if not holds(value):
            raise ValueError(f"{place} is {quoted(value)}, not {what}")

    return check


@dataclass(frozen=True)
class Number:
    """A finite number between two inclusive bounds; for arrays, NaN is also allowed."""

    low: float = -math.inf
    high: float = math.inf

    def __call__(self, place: str, value: Any) -> None:
        # Python's whole numbers are of any size, and nobody else's; a truth value is not a number here.
        finite = (type(value) is int and -(2**63) <= value < 2**63) or (type(value) is float and math.isfinite(value))
        if not (finite and self.low <= value <= self.high):
            raise ValueError(f"{place} is {quoted(value)}, not a finite number {self}")

    def __str__(self) -> str:
        if not math.isfinite(self.high):
            return f"of at least {self.low:g}" if math.isfinite(self.low) else "of 64 bits"
        return f"from {self.low:g} to {self.high:g}"

    def hold(self, values: npt.NDArray[Any]) -> bool:
        """Whether all values of an array are between the bounds or NaN."""
        return bool(np.all((values >= self.low) & (values <= self.high) | np.isnan(values)))


def whole(low: int, high: int = 2**63 - 1) -> Check:
    """A whole number between two bounds."""
    return _check(lambda value: type(value) is int and low <= value <= high, f"a whole number of at least {low}")


def text(longest: int) -> Check:
    """Any text of at most this length."""
    return _check(
        lambda value: isinstance(value, str) and len(value) <= longest, f"text of at most {longest} characters"
    )


def hexadecimal(length: int) -> Check:
    """Text of that many hexadecimal digits."""
    return _check(
        lambda value: isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{length}}}", value) is not None,
        f"{length} hexadecimal digits",
    )


def one_of(*values: Any) -> Check:
    """One of a few values, with the same type."""
    allowed = [(type(value), value) for value in values]
    return _check(
        lambda value: isinstance(value, bool | int | str) and (type(value), value) in allowed,
        " or ".join(map(str, values)),
    )


def or_null(check: Check) -> Check:
    """Null, or a value that passes the other check."""
    return lambda place, value: None if value is None else check(place, value)


def plain(depth: int) -> Check:
    """Any JSON value made of short texts and finite numbers, nested at most `depth` levels deep."""

    def check(place: str, value: Any) -> None:
        if isinstance(value, dict | list) and depth:
            inside = value.items() if isinstance(value, dict) else enumerate(value)
            for key, element in inside:
                TEXT(place, str(key))
                plain(depth - 1)(f"{place}.{key}", element)
        elif not isinstance(value, bool | None):
            (TEXT if isinstance(value, str) else Number())(place, value)

    return check


def mapping(known: Mapping[str, Check], others: Check | None = None, names: str = ".*") -> Check:
    """A mapping of known names, each with its own check, and of other names that match `names`, checked by `others`."""

    def check(place: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{place or 'the document'} is {quoted(value)}, not a mapping")
        for name, element in value.items():
            inner = f"{place}.{name}" if place else name
            if name in known:
                known[name](inner, element)
            elif others is not None and len(name) <= 100 and name.isprintable() and re.fullmatch(names, name):
                others(inner, element)
            else:
                raise ValueError(f"{inner} is not known to this version")

    return check


TEXT = text(1000)
LOSS = Number(0)
SHARE = Number(0, 1)
SECONDS = Number(0, 1e9)
# Twice the range of float64's exponents.
LOG2 = Number(-2200, 2200)
SPREAD = Number(0, 2200)

# float64 arrays with one row per epoch; NaN if an epoch has no value, and losses may be infinite.
CURVES: dict[str, Number] = {
    "batch_loss": LOSS,
    "eta": SHARE,
    "training_seconds": SECONDS,
    "train_loss": LOSS,
    "train_error": SHARE,
    "augmented_train_loss": LOSS,
    "validation_loss": LOSS,
    "validation_error": SHARE,
    "test_loss": LOSS,
    "test_error": SHARE,
    "evaluation_seconds": SECONDS,
}


@dataclass(frozen=True)
class Axes:
    """An array of histograms.npz: its dtype, its shape by axis, and the bounds of its values.

    `measured` stands for the measurements, `edges` for the interior bins, and `bins` for these and the three others:
    underflow, overflow and not finite; gradients and effective decays have bins of their own.
    """

    dtype: Literal["int64", "float64"]
    shape: tuple[
        Literal["measured", "edges", "bins", "gradient edges", "gradient bins", "decay edges", "decay bins"], ...
    ]
    values: Number


COUNTS = Axes("int64", ("measured", "bins"), Number(0))
# By name; `<group>` is a layer group, or `network` for the whole network.
HISTOGRAMS: dict[str, Axes] = {
    "epoch": Axes("int64", ("measured",), Number(0)),
    "step": Axes("int64", ("measured",), Number(0)),
    "log2_lower_edge": Axes("int64", ("edges",), LOG2),
    "counts/<group>": COUNTS,
    "gradient_log2_lower_edge": Axes("int64", ("gradient edges",), LOG2),
    "gradient_counts/<group>": Axes("int64", ("measured", "gradient bins"), Number(0)),
    "parameter_counts/<group>": COUNTS,
    "effective_decay_log2_lower_edge": Axes("int64", ("decay edges",), LOG2),
    "effective_decay_counts/<group>": Axes("int64", ("measured", "decay bins"), Number(0)),
    "drown_out_share/<group>": Axes("float64", ("measured",), SHARE),
}
GROUP = "[a-z][a-z0-9_]*"

# The scalars of a distribution.
SCALARS: dict[str, Check] = {
    "share_underflow": SHARE,
    "share_not_finite": SHARE,
    "peak_share": SHARE,
    "entropy": Number(0, 64),
    "drown_out_share": SHARE,
    "q05": LOG2,
    "q25": LOG2,
    "q50": LOG2,
    "q75": LOG2,
    "q95": LOG2,
    "iqr": SPREAD,
    "std": SPREAD,
}
FINGERPRINT = hexadecimal(64)

DOCUMENT: dict[str, Check] = {
    "format": one_of(RECORD_FORMAT),
    "identity": TEXT,
    # The longest directory name that file systems allow.
    "name": text(255),
    # Checked as a configuration: `records/configuration.py`.
    "config": mapping({}, plain(2 + MOST_NESTED)),
    "outcome": mapping(
        {"status": one_of("completed", "diverged", "failed"), "step": whole(0), "reason": text(100_000)}
    ),
    # Mainly for people to read, and extended by later versions; few entries are checked.
    "environment": mapping(
        {
            "packages": mapping({}, or_null(TEXT)),
            "commit": or_null(TEXT),
            "uncommitted_changes": or_null(one_of(True, False)),
        },
        plain(3),
    ),
    "fingerprints": mapping({"train": FINGERPRINT, "validation": FINGERPRINT, "test": FINGERPRINT}),
    "split_sizes": mapping({"train": whole(1), "validation": whole(1), "test": whole(1)}),
    "final_metrics": mapping(
        {
            **{f"final_{name}": or_null(check) for name, check in CURVES.items() if name.endswith(("_loss", "_error"))},
            "lowest_test_error": or_null(SHARE),
        }
    ),
    "update_scale": mapping({}, mapping(SCALARS), GROUP),
    "update": one_of(BY_DIRECTION, BY_CHANGE),
    "effective_decay": mapping({}, mapping(SCALARS), GROUP),
    "timing": mapping({"wall_seconds": SECONDS, "images_per_second": Number(0, 1e12)}),
    "parameters": whole(0),
    "checksum": hexadecimal(64),
    "array_checksums": mapping({"curves": hexadecimal(64), "histograms": hexadecimal(64)}),
}
