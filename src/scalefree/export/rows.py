"""The rows of the exported tables, each a tuple in the order of its table's columns; None is a missing value."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.bins import QUANTITIES, counts_of, edges_of
from scalefree.export.columns import CONFIG, ENVIRONMENT, EPOCHS, LAST, RUNS, Column
from scalefree.records import Record, cell_identity, cell_slug
from scalefree.records.configuration import config_of_values
from scalefree.records.environment import PACKAGES

Value = str | int | float | bool | None
Row = tuple[Value, ...]
Arrays = Mapping[str, npt.NDArray[Any]]

TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (float, int),
    "boolean": (bool,),
}


def plain_text(text: str) -> str | None:
    """Text that every reader accepts: newlines and tabs stay, control characters and lone surrogates are escaped.

    None for an empty text, because CSV cannot distinguish it from a missing one.
    """
    return (
        "".join(
            character if character.isprintable() or character in "\n\t" else character.encode("unicode_escape").decode()
            for character in text
        )
        or None
    )


def _at(values: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at a path of keys, or None if there is none."""
    node: Any = values
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _fits(column: Column, value: Any) -> bool:
    return type(value) in TYPES[column.kind]


def _environment(environment: Mapping[str, Any]) -> dict[str, Value]:
    """A record's environment by column. It may contain anything: whatever fits no column goes into the last one."""
    rest: dict[str, Any] = {
        key: dict(value) if isinstance(value, dict) else value for key, value in environment.items()
    }
    found: dict[str, Value] = {}
    packages = {package.replace("-", "_"): package for package in PACKAGES}
    for column in ENVIRONMENT:
        *folder, leaf = column.name.split(".")[1:]
        path = [*folder, packages[leaf] if folder else leaf]
        value = _at(environment, path)
        found[column.name] = value if _fits(column, value) else None
        holder = _at(rest, path[:-1])
        if isinstance(holder, dict) and (value is None or _fits(column, value)):
            holder.pop(path[-1], None)
    rest = {key: value for key, value in rest.items() if value not in ({}, [])}
    found["environment.rest"] = json.dumps(rest, sort_keys=True) if rest else None
    return found


def _configuration(config: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for column in CONFIG:
        value = _at(config, column.name.split("."))
        found[column.name] = json.dumps(value) if isinstance(value, list | dict) else value
    return found


def run_row(record: Record, experiments: Sequence[str] = ()) -> Row:
    """The row of `runs` for a record; `experiments` are those that need the run."""
    config = config_of_values(record.config)
    distributions = {"update_scale": record.update_scale, "effective_decay": record.effective_decay}
    values: dict[str, Value] = {
        "name": record.name,
        "identity": record.identity,
        "cell": cell_identity(config),
        "cell_name": cell_slug(config),
        "experiments": " ".join(experiments),
        "outcome": record.outcome.status,
        "outcome_step": record.outcome.step,
        "outcome_reason": record.outcome.reason,
        **_configuration(record.config),
        **record.final_metrics,
        **record.timing,
        # A failed run has no parameter count.
        "parameters": record.parameters or None,
        **{f"split_sizes.{split}": size for split, size in record.split_sizes.items()},
        **{f"fingerprints.{split}": found for split, found in record.fingerprints.items()},
        **{column.name: _at(distributions, column.name.split(".")) for column in LAST},
        **_environment(record.environment),
    }
    return tuple(_typed(column, values.get(column.name)) for column in RUNS)


def _typed(column: Column, value: Value) -> Value:
    """The value converted to its column's kind."""
    if value is None:
        return None
    if column.kind == "text":
        return plain_text(str(value))
    return float(value) if column.kind == "number" else value


def epoch_rows(record: Record, curves: Arrays, histograms: Arrays) -> Iterator[Row]:
    """The rows of `epochs` for one run, in order. A curve that the run does not have is missing, not NaN."""
    shares = histograms.get("drown_out_share/network", np.array([]))
    drown_out = dict(zip(histograms["epoch"].tolist(), shares.tolist(), strict=False)) if len(shares) else {}
    columns = [curves[column.name].tolist() if column.name in curves else None for column in EPOCHS[2:-1]]
    for place in range(max(map(len, curves.values()), default=0)):
        row = (None if values is None else values[place] for values in columns)
        yield (record.name, place + 1, *row, drown_out.get(place + 1))


def bin_edges(quantity: str, exponents: npt.NDArray[np.int64]) -> list[tuple[float | None, float | None]]:
    """log2 of each bin's edges: underflow, interior bins [2^k, 2^(k+1)), overflow, not finite (without edges)."""
    underflow = math.log2(QUANTITIES[quantity].underflow)
    # The first interior bin begins at the edge of the underflow.
    interior = [(max(float(k), underflow), float(k + 1)) for k in exponents.tolist()]
    highest = interior[-1][1] if interior else underflow
    return [(-math.inf, underflow), *interior, (highest, math.inf), (None, None)]


def histogram_rows(record: Record, histograms: Arrays) -> Iterator[Row]:
    """The rows of `histograms` for one run, ordered by measurement, quantity, group and bin."""
    if "epoch" not in histograms:
        return
    epochs = histograms["epoch"].tolist()
    steps = histograms["step"].tolist() if "step" in histograms else [None] * len(epochs)
    edges_by = {quantity: bin_edges(quantity, edges_of(histograms, quantity)) for quantity in QUANTITIES}
    counts_by = {quantity: counts_of(histograms, quantity) for quantity in QUANTITIES}
    for place, (epoch, step) in enumerate(zip(epochs, steps, strict=True)):
        for quantity, edges in edges_by.items():
            for group, measured in counts_by[quantity].items():
                counts = measured[place]
                for index in np.flatnonzero(counts).tolist():
                    yield (record.name, epoch, step, quantity, group, index, *edges[index], int(counts[index]))
