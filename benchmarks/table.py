"""A benchmark's result as JSON and as the table that is printed and committed."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scalefree.files import atomic_write

Row = Mapping[str, Any]


def number(value: Any) -> str:
    """A number with few digits, as timings repeat no more than these; whole numbers and words stay as they are."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(rows: Sequence[Row]) -> str:
    """Rows with the first one's keys as a Markdown table; what a row lacks is left empty."""
    heads = list(rows[0])
    lines = [heads, ["---" if isinstance(rows[0][head], str) else "---:" for head in heads]]
    lines += [[number(row.get(head, "")) for head in heads] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(result: Mapping[str, Any]) -> str:
    """Everything that was measured: the facts as a list, each list of rows as a table under its name."""
    facts = [f"- {name}: {number(value)}" for name, value in result.items() if not isinstance(value, list)]
    parts = [f"# Benchmark: {result['device']}", "\n".join(facts)]
    parts += [f"## {name}\n\n{table(rows)}" for name, rows in result.items() if isinstance(rows, list) and rows]
    return "\n\n".join(parts) + "\n"


def file_stem(device: str) -> str:
    """`cpu: AMD EPYC` -> `cpu-amd-epyc`."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def write(result: Mapping[str, Any], results_dir: Path) -> list[Path]:
    """`results_dir/benchmarks/<device>.json` and `.md`, replacing those of an earlier benchmark on that device."""
    folder = results_dir / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    stem = file_stem(str(result["device"]))
    contents = {".json": json.dumps(result, indent=1) + "\n", ".md": page(result)}
    paths = []
    for suffix, content in contents.items():
        paths.append(folder / f"{stem}{suffix}")
        with atomic_write(paths[-1]) as file:
            file.write(content.encode())
    return paths
