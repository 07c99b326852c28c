"""How the runs of a sweep ended, for the summary."""

import dataclasses
import json
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scalefree.files import atomic_write

Ending = Literal["trained", "already done", "queued", "diverged", "busy elsewhere", "interrupted", "failed"]
# Runs with these endings are named in the summary; the others are only counted.
NAMED: tuple[Ending, ...] = ("diverged", "busy elsewhere", "interrupted", "failed")
# Endings without a result.
UNFINISHED: tuple[Ending, ...] = ("busy elsewhere", "interrupted", "failed")


@dataclass(frozen=True)
class Report:
    """How one run of a sweep ended: its label, ending, a short explanation, and the seconds it took."""

    label: str
    ending: Ending
    detail: str
    seconds: float


@dataclass
class Sweep:
    """The reports of a sweep, in the order in which its runs ended, and the signal that stopped it, if any."""

    reports: list[Report] = field(default_factory=list)
    interrupted: signal.Signals | None = None

    def of(self, *endings: Ending) -> list[Report]:
        """The reports with one of these endings."""
        return [report for report in self.reports if report.ending in endings]

    @property
    def unfinished(self) -> list[Report]:
        """The runs that have no result yet."""
        return self.of(*UNFINISHED)

    def summary(self) -> str:
        """`41 trained, 2 diverged, 5 already done`, then the name of every run that is not simply done."""
        counts = {report.ending: len(self.of(report.ending)) for report in self.reports}
        lines = [", ".join(f"{count} {ending}" for ending, count in counts.items()) or "nothing to do"]
        for ending in NAMED:
            lines += [f"  {ending}: {report.label}: {report.detail}" for report in self.of(ending)]
        return "\n".join(lines)


def write_reports(path: Path, reports: Iterable[Report]) -> None:
    """Write reports as JSON, for a process elsewhere that waits for them."""
    with atomic_write(path) as file:
        file.write(json.dumps([dataclasses.asdict(report) for report in reports], indent=1).encode() + b"\n")


def read_reports(path: Path) -> list[Report]:
    """The reports written by `write_reports`; empty if there is no such file."""
    try:
        return [Report(**values) for values in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
