"""A table as CSV that pandas, R and spreadsheets read alike: UTF-8, a header, RFC 4180's quotes, lines by \\n."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from scalefree.export.columns import Column
from scalefree.export.rows import Row, Value
from scalefree.files import atomic_write

# What a spreadsheet computes when a field begins with it.
FORMULA = tuple(
    "=+-@\t\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)


def field(value: Value) -> str:
    """The value as text: nothing, TRUE or FALSE, the shortest number that is read back as the same, NaN, Inf, -Inf.

    Text that a spreadsheet would compute gets an apostrophe before it: names and messages may be somebody else's.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"  # pandas, R and spreadsheets all read these as truth values
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        return repr(value) if math.isfinite(value) else "Inf" if value > 0 else "-Inf"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return str(value)


def write_csv(path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> int:
    """Write the table, whole or not at all; returns how many rows it has.

    Raises:
        OSError: it cannot be written.
    """
    count = 0
    with atomic_write(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        for row in rows:
            writer.writerow([field(value) for value in row])
            count += 1
        text.detach()
    return count
