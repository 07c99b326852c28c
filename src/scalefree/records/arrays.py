"""Check that curves and histograms belong to their record: names, types, shapes, and the record's own numbers."""

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.bins import (
    OTHER_BINS,
    PEAK,
    QUANTILES,
    QUANTITIES,
    counts_name,
    counts_of,
    edges_name,
    edges_of,
)
from scalefree.records.printable import printable
from scalefree.records.reading import Arrays, Shape
from scalefree.records.record import Record
from scalefree.records.schema import CURVES, GROUP, HISTOGRAMS, Axes

MOST_EDGES = 1000
# In each of these, every coordinate of the network is in one bin.
OF_ALL = tuple(counts_name(quantity, "network") for quantity in QUANTITIES)

# Of scalars that were computed from the very counts or on the same values; some in float32.
ROUNDING = 1e-4


def _epochs(record: Record) -> int:
    epochs: int = record.config["training"]["epochs"]
    return epochs


def curve_wanted(record: Record, name: str, dtype: np.dtype[Any], shape: Shape) -> None:
    """Refuse an array that cannot be a curve of the record before it is read.

    Raises:
        ValueError: an unexpected name, type or shape.
    """
    if name not in CURVES:
        raise ValueError(f"{printable(name)} is not a curve that this version knows")
    if (dtype.kind, dtype.itemsize) != ("f", 8) or len(shape) != 1:
        raise ValueError(f"{name} is {dtype} of shape {shape}, not float64 with one row per epoch")
    if shape[0] > _epochs(record):
        raise ValueError(f"{name} has {shape[0]} rows for {_epochs(record)} epochs")


def check_curves(record: Record, curves: Arrays) -> None:
    """Refuse curves that do not belong to the record.

    Raises:
        ValueError: a wrong name, type, shape or value, or a last value that is not the record's final metric.
    """
    for name, curve in curves.items():
        curve_wanted(record, name, curve.dtype, curve.shape)
        if not CURVES[name].hold(curve):
            raise ValueError(f"{name} has values that are not numbers {CURVES[name]}")
    completed = record.outcome.status == "completed"
    rows = sorted({len(curve) for curve in curves.values()})
    if len(rows) > 1 or (completed and rows != [_epochs(record)]):
        raise ValueError(f"it has {rows} rows for {_epochs(record)} epochs")
    if not completed:
        return
    ends = {f"final_{name}": curve[-1] for name, curve in curves.items() if name.endswith(("_loss", "_error"))}
    errors = curves.get("test_error", np.array([]))
    ends["lowest_test_error"] = min(errors[~np.isnan(errors)], default=math.nan)
    for name in ends.keys() | record.final_metrics.keys():
        end, told = float(ends.get(name, math.nan)), record.final_metrics.get(name)
        # JSON has no infinity: if a curve does not end with a finite number, the record has null.
        if told != (end if math.isfinite(end) else None):
            raise ValueError(f"{name} is {told} in the record but {end} in the curves")


def _axes(name: str) -> Axes | None:
    quantity, _, group = name.partition("/")
    if not group:
        return HISTOGRAMS.get(quantity)
    return HISTOGRAMS.get(f"{quantity}/<group>") if re.fullmatch(GROUP, group) else None


def histogram_wanted(record: Record, name: str, dtype: np.dtype[Any], shape: Shape) -> None:
    """Refuse an array that cannot be one of the record's histograms before it is read.

    Raises:
        ValueError: an unexpected name, type or shape.
    """
    axes = _axes(name)
    if axes is None:
        raise ValueError(f"{printable(name)} is not an array that this version knows")
    most = {"measured": 2 * _epochs(record), "edges": MOST_EDGES, "bins": MOST_EDGES + OTHER_BINS}
    most |= {f"{quantity} {axis}": most[axis] for quantity in ("gradient", "decay") for axis in ("edges", "bins")}
    fits = len(shape) == len(axes.shape)
    fits = fits and all(length <= most[axis] for length, axis in zip(shape, axes.shape, strict=True))
    if (dtype.kind, dtype.itemsize) != (axes.dtype[0], 8) or not fits:
        raise ValueError(f"{name} is {dtype} of shape {shape}, not {axes.dtype} by {' and '.join(axes.shape)}")


def check_histograms(record: Record, histograms: Arrays) -> None:
    """Refuse histograms that do not belong to the record.

    Raises:
        ValueError: a wrong name, type, shape or value, or epochs, coordinates or shares that differ from the record's.
    """
    completed = record.outcome.status == "completed"
    if not histograms and not record.outcome.is_result:
        return  # The run failed before it measured anything.
    usual, network = edges_name("update_scale"), counts_name("update_scale", "network")
    for name in ("epoch", usual, *[network] * completed):
        if name not in histograms:
            raise ValueError(f"it has no array `{name}`")
    epochs, edges = histograms["epoch"], histograms[usual]
    lengths = {"measured": len(epochs), "edges": len(edges), "bins": len(edges) + OTHER_BINS}
    gradients = len(edges_of(histograms, "gradient"))
    decays = len(histograms.get(edges_name("effective_decay"), ()))
    lengths |= {"gradient edges": gradients, "gradient bins": gradients + OTHER_BINS}
    lengths |= {"decay edges": decays, "decay bins": decays + OTHER_BINS}
    for name, array in histograms.items():
        histogram_wanted(record, name, array.dtype, array.shape)
        axes = _axes(name)
        assert axes is not None
        expected = tuple(lengths[axis] for axis in axes.shape)
        if array.shape != expected:
            raise ValueError(f"{name} has shape {array.shape}, but its epochs and edges require {expected}")
        if not axes.values.hold(array):
            raise ValueError(f"{name} has values that are not numbers {axes.values}")
        if name in OF_ALL and np.any(array.sum(axis=1) != record.parameters):
            raise ValueError(f"{name} does not count the record's {record.parameters} coordinates")
    if np.any(np.diff(edges) != 1) or np.any(np.diff(epochs) < 0) or np.any(epochs > _epochs(record)):
        raise ValueError("its edges or epochs are out of order")
    if completed and epochs[-1:].tolist() != [_epochs(record)]:
        raise ValueError("it does not end with the last epoch")
    _check_groups(record, histograms)
    _check_last(record, histograms)


def _check_groups(record: Record, histograms: Arrays) -> None:
    """Every coordinate is in exactly one layer group, so that these add up to the network."""
    for name, network in histograms.items():
        quantity, _, group = name.partition("/")
        if group != "network" or network.ndim != 2:
            continue
        parts = [array for other, array in histograms.items() if other != name and other.partition("/")[0] == quantity]
        # No count is above all coordinates; whatever is, could add up by overflowing.
        if any(np.any(part > record.parameters) for part in parts) or (
            parts and not np.array_equal(np.sum(parts, axis=0), network)
        ):
            raise ValueError(f"{quantity}/<group> do not add up to {name}")


def _check_last(record: Record, histograms: Arrays) -> None:
    """What the record says of the last measurement, by layer group, is what the counts say."""
    for entry in ("update_scale", "effective_decay"):
        scalars: dict[str, dict[str, float]] = getattr(record, entry)
        measured = {group: array[-1] for group, array in counts_of(histograms, entry).items() if len(array)}
        if measured.keys() != scalars.keys() and (entry == "update_scale" or (measured and scalars)):
            raise ValueError(f"its layer groups are not those of the record's {entry}")
        edges = histograms.get(edges_name(entry), np.array([]))
        for group, last in measured.items() if scalars else ():
            for scalar, bounds in _bounds(last, edges).items():
                value = scalars[group].get(scalar)
                if value is not None and not bounds[0] <= value <= bounds[1]:
                    raise ValueError(f"{entry}.{group}.{scalar} is {value}, and its counts say something else")
            of_group = scalars[group]
            if {"q25", "q75", "iqr"} <= of_group.keys():
                between = of_group["q75"] - of_group["q25"]
                if abs(between - of_group["iqr"]) > ROUNDING:
                    raise ValueError(f"{entry}.{group}.iqr is {of_group['iqr']}, and its quartiles say {between}")
            if "drown_out_share" in of_group:
                shares = histograms.get(f"drown_out_share/{group}", np.array([math.nan]))
                if of_group["drown_out_share"] != shares[-1]:
                    raise ValueError(f"{entry}.{group}.drown_out_share is not that of its histograms")


def _bounds(counts: npt.NDArray[np.int64], edges: npt.NDArray[np.int64]) -> dict[str, tuple[float, float]]:
    """Between what the scalars of a distribution lie, given its counts (bins,); see `measure.distribution`."""
    interior, moving = counts[1:-2], counts[1:-1]
    total, coordinates = int(moving.sum()), max(int(counts.sum()), 1)
    exact = {
        "share_underflow": counts[0] / coordinates,
        "share_not_finite": counts[-1] / coordinates,
        "peak_share": np.sort(interior)[-PEAK:].sum() / coordinates,
    }
    if interior.any():
        shares = interior[interior > 0] / interior.sum()
        exact["entropy"] = -(shares * np.log2(shares)).sum()
    bounds = {scalar: (float(value) - ROUNDING, float(value) + ROUNDING) for scalar, value in exact.items()}
    # What is above the last edge may be of any size.
    ends = [*edges.tolist(), int(edges[-1]) + 1, math.inf]
    place = np.cumsum(moving)
    for scalar, q in QUANTILES.items() if total else ():
        position = q * (total - 1)
        below, above = (int(np.searchsorted(place, math.floor(position) + next, side="right")) for next in (0, 1))
        above = min(above, int(np.flatnonzero(moving)[-1]))
        bounds[scalar] = ends[below] - ROUNDING, ends[above + 1] + ROUNDING
    if total and not moving[-1]:
        # A value and the middle of its bin are half a bin apart at most, and so are the deviations.
        middles = edges + 0.5
        mean = np.average(middles, weights=interior)
        spread = math.sqrt(np.average((middles - mean) ** 2, weights=interior))
        bounds["std"] = spread - 0.5 - ROUNDING, spread + 0.5 + ROUNDING
    return bounds
