"""CSV that pandas, R and spreadsheets all read alike: UTF-8, a header, RFC 4180 quoting, lines ending in \\n."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from scalefree.export.columns import Column
from scalefree.export.rows import Row, Value
from scalefree.files import atomic_write

# A spreadsheet evaluates a field that begins with one of these.
FORMULA = tuple(
    "=+-@\t\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)


def field(value: Value) -> str:
    """The value as text: empty, TRUE or FALSE, the shortest number that reads back the same, NaN, Inf, -Inf.

    Text that a spreadsheet would evaluate gets a leading apostrophe, because names and messages may come from others.
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
    """Write the table, completely or not at all; returns the number of rows.

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
