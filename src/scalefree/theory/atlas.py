"""The scale-freeness atlas: what breaks each optimizer's scale-freeness, what conditioning costs it, and what its
weight decay is. Measured, not looked up; one row per optimizer, read and written as CSV.
"""

import csv
import io
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from scalefree.files import atomic_write
from scalefree.theory import atlas_conditioning, atlas_decay
from scalefree.theory.atlas_subjects import BASE, Refused, Subject, one_line
from scalefree.theory.scale_freeness import scale_free_defect

FILE = "atlas.csv"  # in RESULTS
DECAY = 0.01  # lambda for the defects "with decay", unless given in the arguments
CONDITIONS = {
    "steps_identity": (1.0, False),
    "steps_diagonal_1e2": (1e2, False),
    "steps_diagonal_1e4": (1e4, False),
    "steps_rotated_1e2": (1e2, True),
}
# Optimizers whose steps are so slow that their many schedules would take longer than all others together.
_TOO_SLOW = {("pytorch_optimizer", "SpectralSphere")}
_SECOND_ORDER = (
    "defects: its curvature is estimated through the transposed Jacobian of the gradients, "
    "which for rescaled gradients is no longer the Jacobian"
)
# The libraries' names for the choice between an l2 term and a decay of the weights.
_SWITCHES = ("weight_decouple", "decoupled_weight_decay")


@dataclass(frozen=True)
class Row:
    """One optimizer. Numbers that could not be measured are nan, and `notes` says why; docs/atlas.md defines each."""

    package: str
    optimizer: str
    version: str
    arguments: str
    defect: float = math.nan
    defect_decay: float = math.nan
    eps: str = ""
    defect_eps0: float = math.nan
    defect_decay_eps0: float = math.nan
    steps_identity: float = math.nan
    steps_diagonal_1e2: float = math.nan
    steps_diagonal_1e4: float = math.nan
    steps_rotated_1e2: float = math.nan
    decay: str = ""
    evidence: str = ""
    share: float = math.nan
    spread: float = math.nan
    shape: str = ""
    lr_power: float = math.nan
    first_lr_power: float = math.nan
    gradient_power: float = math.nan
    carried: str = ""
    share_at_rest: float = math.nan
    if_coupled: str = ""
    if_decoupled: str = ""
    if_fixed: str = ""
    notes: str = ""
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.package}.{self.optimizer}"


COLUMNS = tuple(field.name for field in fields(Row))
_NUMBERS = frozenset(field.name for field in fields(Row) if field.type is float)
_POWERS = frozenset({"spread", "lr_power", "first_lr_power", "gradient_power"})


def measure(subject: Subject) -> Row:
    """Measure everything about one optimizer; if it cannot be run at all, only `reason` is set."""
    known: dict[str, Any] = {
        "package": subject.package,
        "optimizer": subject.name,
        "version": subject.version,
        "arguments": _arguments(subject),
    }
    if subject.reason:
        return Row(**known, reason=subject.reason)
    notes = [_SECOND_ORDER] if subject.second_order else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' warnings about themselves
        try:
            defects = _defects(subject, notes)
        except Exception as error:  # an unknown optimizer may raise anything
            return Row(**known, reason=_said(error))
        steps = _steps(subject, notes)
        decay = _attempt("decay", lambda: vars(atlas_decay.decay(subject)), notes) or {}
        switched = _switched(subject, notes)
    decay = {("decay" if key == "kind" else key): value for key, value in decay.items()}
    return Row(**{**known, **defects, **steps, **decay, **switched}, notes="; ".join(notes))


def _arguments(subject: Subject) -> str:
    given = [f"{key}={value!r}" for key, value in subject.beyond_defaults.items()]
    return ", ".join([f"around torch.optim.{BASE.__name__}", *given] if subject.wraps else given)


def _said(error: BaseException) -> str:
    """An error as text: a refusal in its own words, without advice if it is ours; other errors with their type."""
    said = one_line(error)
    if type(error) is not ValueError:
        return said
    words = said.removeprefix("ValueError: ")
    return words.partition(": ")[0] if words.startswith("the optimizer ") else words


def _attempt(what: str, measured: Callable[[], Any], notes: list[str]) -> Any:
    """The measurement, or None and a note of why it failed."""
    try:
        return measured()
    except Exception as error:  # an unknown optimizer may raise anything
        notes.append(f"{what}: {_said(error)}")
        return None


def _defects(subject: Subject, notes: list[str]) -> dict[str, Any]:
    """The defect with default settings, and with decay or eps = 0 if it has them.

    Raises:
        Exception: the first defect cannot be measured.
    """

    def defect(**varied: float) -> float:
        return scale_free_defect(subject.make(**varied), second_order=subject.second_order)

    decays = subject.takes("weight_decay")
    without = {"weight_decay": 0.0} if decays else {}
    with_decay = {"weight_decay": subject.arguments.get("weight_decay") or DECAY}
    zero = dict.fromkeys(subject.eps, 0.0)
    found: dict[str, Any] = {"defect": defect(**without), "eps": " ".join(subject.eps)}
    wanted = {}
    if decays:
        wanted["defect_decay"] = with_decay
    if zero:
        wanted["defect_eps0"] = {**without, **zero}
    if decays and zero:
        wanted["defect_decay_eps0"] = {**with_decay, **zero}
    for column, varied in wanted.items():
        value = _attempt(column, lambda varied=varied: defect(**varied), notes)  # type: ignore[misc]
        found[column] = math.nan if value is None else value
    return found


def _steps(subject: Subject, notes: list[str]) -> dict[str, float]:
    if (subject.package, subject.name) in _TOO_SLOW:
        notes.append("steps: a step takes too long for so many runs")
        return {}
    return {
        column: atlas_conditioning.steps(subject, atlas_conditioning.hessian(condition, rotated))
        for column, (condition, rotated) in CONDITIONS.items()
    }


def _switched(subject: Subject, notes: list[str]) -> dict[str, str]:
    """The kind of decay under each setting of the library's own switches."""
    settings: dict[str, dict[str, bool]] = {}
    for switch in _SWITCHES:
        if subject.takes(switch):
            settings |= {"if_coupled": {switch: False}, "if_decoupled": {switch: True}}
            if subject.takes("fixed_decay"):
                settings["if_fixed"] = {switch: True, "fixed_decay": True}
    kinds = {
        column: _attempt(column, lambda switches=switches: atlas_decay.kind(subject, switches)[0], notes)  # type: ignore[misc]
        for column, switches in settings.items()
    }
    return {column: kind or "" for column, kind in kinds.items()}


def written(column: str, value: Any) -> str:
    """A cell of the CSV: numbers to three digits, powers to two decimals, nothing for nan."""
    if column not in _NUMBERS:
        return str(value)
    if math.isnan(value):
        return ""
    if column in _POWERS:
        return f"{round(value, 2) + 0.0:g}"
    return f"{value:.3g}"


def to_csv(rows: Iterable[Row]) -> str:
    """A header, then one line per row; cells that were not measured are empty, infinity is `inf`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([written(column, getattr(row, column)) for column in COLUMNS])
    return text.getvalue()


def from_csv(text: str) -> list[Row]:
    """The rows that `to_csv` wrote.

    Raises:
        ValueError: the columns differ from this version's, or a cell is not a number although it should be.
    """
    lines = list(csv.reader(io.StringIO(text)))
    if not lines or tuple(lines[0]) != COLUMNS:
        raise ValueError("its first line does not name the columns of this version; make atlas writes it again")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(COLUMNS):
            raise ValueError(f"line {number} has {len(line)} cells instead of {len(COLUMNS)}")
        cells: dict[str, Any] = {
            key: float(cell or "nan") if key in _NUMBERS else cell for key, cell in zip(COLUMNS, line, strict=True)
        }
        rows.append(Row(**cells))
    return rows


def write(rows: Sequence[Row], path: Path) -> None:
    with atomic_write(path) as file:
        file.write(to_csv(rows).encode())


def read(path: Path) -> list[Row]:
    """Read the rows of a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file, which is named, is not an atlas of this version.
    """
    try:
        return from_csv(path.read_text(encoding="utf-8"))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from error


def measure_all(subjects: Sequence[Subject], jobs: int) -> Iterator[Row]:
    """Measure the subjects with `jobs` single-threaded processes; yields rows in order, as soon as they are ready."""
    # Spawned, not forked, because torch has threads.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(measure, subjects)


def measure_or_refuse(subject: Subject) -> Row:
    """Like `measure`, for one optimizer that a user names.

    Raises:
        Refused: it cannot be run or refuses its arguments.
    """
    row = measure(subject)
    if row.reason:
        raise Refused(f"{row.name} cannot be measured: {row.reason}")
    return row
