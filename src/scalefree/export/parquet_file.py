"""Parquet with typed columns and their units and descriptions. Needs the extra `export` (pyarrow)."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from scalefree.export.columns import Column
from scalefree.export.rows import Row
from scalefree.files import atomic_write

TYPES = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
# Rows held in memory at a time.
ROWS = 100_000


def write_parquet(path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> int:
    """Write the table, completely or not at all; returns the number of rows.

    Raises:
        OSError: it cannot be written.
    """
    schema = pa.schema(
        pa.field(column.name, TYPES[column.kind], metadata={"unit": column.unit, "description": column.description})
        for column in columns
    )
    count = 0
    rest = iter(rows)
    with atomic_write(path) as file, pq.ParquetWriter(file, schema) as writer:
        while batch := list(itertools.islice(rest, ROWS)):
            arrays = [
                pa.array(values, kind) for values, kind in zip(zip(*batch, strict=True), schema.types, strict=True)
            ]
            writer.write_table(pa.table(arrays, schema=schema))
            count += len(batch)
    return count
