"""What journals and stores say after a fault."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalefree.config import RunConfig
from scalefree.records import Store, run_name


@dataclass(frozen=True)
class Point:
    """A line of a journal: the process, the kind of point, and the file."""

    process: int
    kind: str
    file: str


class Attempt:
    """A process that trained: how it ended, and every point that it reached."""

    def __init__(self, exit_code: int, journal: Path) -> None:
        self.exit_code = exit_code
        lines = [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []
        self.points = [Point(int(line[0]), line[1], line[2] if len(line) > 2 else "") for line in lines]

    @property
    def steps(self) -> int:
        return sum(point.kind == "step" for point in self.points)

    @property
    def lost_steps(self) -> list[int]:
        """For each process, the steps begun since its last checkpoint or record was in place."""
        lost: dict[int, int] = defaultdict(int)
        for point in self.points:
            if point.kind == "step":
                lost[point.process] += 1
            elif point.kind == "replaced" and point.file in ("checkpoint.pt", "record.json"):
                lost[point.process] = 0
        return list(lost.values())


def result(config: RunConfig) -> dict[str, Any]:
    """Everything in a run's record that must not differ between two trainings."""
    store = Store(config.results_dir)
    record = store.read(run_name(config))
    assert record is not None and record.outcome.is_result
    curves = {name: array.tobytes() for name, array in store.curves(record).items() if "seconds" not in name}
    histograms = {name: array.tobytes() for name, array in store.histograms(record).items()}
    return {**record.document(), "timing": None, "curves": curves, "histograms": histograms}


def files_of(results_dir: str) -> set[str]:
    """Every file of a store, by its path below RESULTS."""
    root = Path(results_dir)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def whole(config: RunConfig) -> set[str]:
    """The files that a finished run leaves."""
    files = ("record.json", "curves.npz", "histograms.npz", "run.log")
    return {f"runs/{run_name(config)}/{file}" for file in files}
