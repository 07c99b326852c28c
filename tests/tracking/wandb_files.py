"""Reads wandb's offline files with wandb's own reader."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LEET = [sys.executable, "-m", "wandb", "leet", "inspect", "--json"]


def run_folders(results: Path) -> list[Path]:
    """The folders of all offline runs under RESULTS/wandb, oldest first."""
    return sorted((results / "wandb").glob("offline-run-*"), key=lambda folder: folder.stat().st_mtime_ns)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Every record of a run's log."""
    told = subprocess.run([*LEET, str(folder)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in told.stdout.splitlines()]


def summary(folder: Path) -> dict[str, Any]:
    """A run's state, configuration and latest values."""
    told = subprocess.run([*LEET, "--summary", str(folder)], capture_output=True, text=True, check=True)
    content: dict[str, Any] = json.loads(told.stdout)
    return content
