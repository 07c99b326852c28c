"""Any results together: what varies among them, what they have in common, and the best cell of each group.

A multirun's runs, a named experiment's, or whatever part of a store somebody asks for. Tables and figures read this.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalefree.config import RunConfig, with_values
from scalefree.experiments.evidence import readable_arrays
from scalefree.experiments.grid import Cell, cell_of
from scalefree.experiments.names import number
from scalefree.experiments.results import Criterion, Point, Result, best, setting_config
from scalefree.optimizers import ADAM, IN_METHOD, OPTIMIZERS, TRAINS_ADAM, look, method, place
from scalefree.records import Record, Store, scientific_config
from scalefree.records.configuration import config_of_values

# What a run's configuration is asked for, as one types it: the method stands for all keys that make it one.
OPTIMIZER, LR, WEIGHT_DECAY, DEPTH, PART = "optimizer", "optimizer.lr", "optimizer.weight_decay", "model.depth", "part"
# Chosen for each method anew by whoever compares methods.
TUNED = (LR, WEIGHT_DECAY)
# Said of every survey where they do not vary; all others only where they are not as by default.
_ALWAYS = (
    "dataset", "model", DEPTH, "model.batch_norm", OPTIMIZER, LR, WEIGHT_DECAY, "training.epochs", "training.batch_size"
)  # fmt: skip


def values_of(config: RunConfig) -> dict[str, Any]:
    """Every scientific key of a run with its value, the seed apart: `{"optimizer": "adamw", "model.depth": 20, ...}`.

    Lists and mappings are JSON text, so that values can be compared and hashed.
    """
    found: dict[str, Any] = {}
    for key, value in scientific_config(config).items():
        for inner, of in value.items() if isinstance(value, dict) else [("", value)]:
            name = f"{key}.{inner}" if inner else key
            if inner == "name":
                name = key
            found[name] = json.dumps(of) if isinstance(of, dict | list) else of
    del found["seed"]
    for key in IN_METHOD:
        del found[f"optimizer.{key}"]
    return {**found, OPTIMIZER: method(vars(config.optimizer))}


def short(key: str) -> str:
    """A key's last part: `weight_decay`."""
    return key.rpartition(".")[2]


def listed(words: Iterable[str]) -> str:
    """`depth, lr and weight_decay`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def written(key: str, value: Any) -> str:
    """A value as a reader sees it: `AdamW`, `1e-3`, `false`, `none`."""
    if value is None:
        return "none"
    if key == OPTIMIZER:
        return look(str(value)).label
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number(value) if key in TUNED or not 0.01 <= abs(value) < 1e5 else f"{value:g}"
    return str(value)


@dataclass(frozen=True)
class SurveyCell:
    """What differs only in the seed.

    Attributes:
        values: of every key, as `values_of`; PART is the part that it was asked for in.
    """

    values: Mapping[str, Any]
    point: Point


@dataclass(frozen=True)
class Survey:
    """Results by what varies among them.

    Attributes:
        cells: in the order in which tables and figures have them.
        axes: the keys that vary, those in front that groups are made by, then the series, then what is tuned.
        failures: reasons by identity of the runs that failed.
    """

    cells: tuple[SurveyCell, ...]
    axes: tuple[str, ...]
    store: Store
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def tuned(self) -> tuple[str, ...]:
        """Those of step size and decay that vary, and not only from part to part: a part with one value asks for it."""
        return tuple(key for key in self.axes if key in TUNED and not self._parts_decide(key))

    @property
    def series(self) -> str | None:
        """What is compared side by side: the optimizer where it varies, else another key that does."""
        untuned = [key for key in self.axes if key not in TUNED]
        return untuned[-1] if untuned else None

    @property
    def across(self) -> tuple[str, ...]:
        """All other keys that vary: there is a group for each of their combinations.

        One that the series decides makes no groups: where each part has an optimizer of its own, they are compared. Nor
        does one that the part decides, whose name says it.
        """
        series = self.series
        if series is None:
            return ()
        others = [key for key in self.axes if key not in TUNED and key != series]
        return tuple(key for key in others if not self._decides(series, key) and not self._parts_decide(key))

    def _parts_decide(self, key: str) -> bool:
        return PART in self.axes and key != PART and self._decides(PART, key)

    def _decides(self, key: str, other: str) -> bool:
        pairs = {(cell.values.get(key), cell.values.get(other)) for cell in self.cells}
        return len(pairs) == len({value for value, _ in pairs})

    @property
    def criterion(self) -> Criterion:
        """By which error the best cell is the best: validation where every run holds images out for it."""
        held_out = [cell.point.results[0].config.dataset.validation_fraction > 0 for cell in self.cells]
        return "validation" if held_out and all(held_out) else "test"

    @property
    def points(self) -> list[Point]:
        return [cell.point for cell in self.cells]

    @property
    def seeds(self) -> list[int]:
        """Every seed of any cell."""
        return sorted({result.config.seed for point in self.points for result in point.results})

    def along(self, key: str) -> list[Any]:
        """The values of a key that varies, in order."""
        return _in_order(key, (cell.values.get(key) for cell in self.cells))

    def groups(self) -> dict[tuple[Any, ...], dict[Any, list[SurveyCell]]]:
        """Cells by their values of `across`, and in each group by that of the series (None without one)."""
        found: dict[tuple[Any, ...], dict[Any, list[SurveyCell]]] = {}
        for cell in self.cells:
            group = tuple(cell.values.get(key) for key in self.across)
            found.setdefault(group, {}).setdefault(self.series and cell.values.get(self.series), []).append(cell)
        return found

    def best_of(self, cells: Iterable[SurveyCell]) -> SurveyCell | None:
        """The cell of lowest mean error among those that have most seeds, so that no single lucky run is; without a
        divergence. None where there is none.
        """
        of = {id(cell.point): cell for cell in cells if cell.point.records}
        sound = [cell.point for cell in of.values() if not any(_diverged(r) for r in cell.point.records.values())]
        most = max((len(point.records) for point in sound), default=0)
        found = best((point for point in sound if len(point.records) == most), self.criterion)
        return None if found is None else of[id(found)]

    def best_cells(self) -> list[SurveyCell]:
        """The best over step size and decay for each combination of all else that varies; where neither varies, the
        best of all. None of a single cell.
        """
        if len(self.cells) < 2:
            return []
        alike = [cells for group in self.groups().values() for cells in group.values()]
        found = [self.best_of(cells) for cells in (alike if self.tuned else [list(self.cells)])]
        return [cell for cell in found if cell is not None]

    def fixed(self) -> list[str]:
        """What all cells have in common, in words: `depth 20`."""
        if not self.cells:
            return []
        config = self.cells[0].point.results[0].config
        usual = values_of(RunConfig(model=type(config.model)()))  # type: ignore[call-arg]
        said = []
        for key in (*_ALWAYS, *(key for key in usual if key not in _ALWAYS)):
            values = {cell.values.get(key) for cell in self.cells}
            if len(values) == 1 and (key in _ALWAYS or values != {usual.get(key)}) and values != {None}:
                said.append(f"{short(key)} {written(key, values.pop())}")
        return said

    def lacking(self) -> str:
        """What is missing, as a sentence without its end; empty where all is there."""
        results = [result for point in self.points for result in point.results]
        lacking = [result for result in results if result.record is None]
        failed = sum(result.cell.identity in self.failures for result in lacking)
        parts = []
        if lacking:
            of_these = "" if not failed else ", it failed" if len(lacking) == 1 else f", {failed} of which failed"
            parts.append(f"{len(lacking)} of {len(results)} runs {'has' if len(lacking) == 1 else 'have'} no result")
            parts[-1] += of_these
        free = [key for key in (*self.across, *([self.series] if self.series else []), *self.tuned) if key != PART]
        # Whoever chooses parts asks for no combination between them.
        combinations = sum(
            math.prod(len({cell.values.get(key) for cell in cells}) for key in free)
            for cells in self._by_part().values()
        )
        if combinations > len(self.cells):
            parts.append(
                f"of the {combinations} combinations of {listed(map(short, free))}, {len(self.cells)} are here"
            )
        counts = {len(point.results) for point in self.points}
        if len(counts) > 1:
            parts.append(f"cells have {min(counts)} to {max(counts)} seeds")
        return "; ".join(parts)

    def _by_part(self) -> dict[Any, list[SurveyCell]]:
        found: dict[Any, list[SurveyCell]] = {}
        for cell in self.cells:
            found.setdefault(cell.values.get(PART), []).append(cell)
        return found

    def one_algorithm(self) -> list[str]:
        """The methods that are Adam in cells without decay, where several are: what differs is their name alone."""
        found = {
            cell.values[OPTIMIZER]
            for cell in self.cells
            if not cell.point.weight_decay
            and OPTIMIZERS[cell.point.results[0].config.optimizer.name].without_decay == ADAM
        }
        return sorted(found, key=place) if len(found) > 1 else []

    def has_curves(self, record: Record) -> bool:
        """Whether it has any epoch to show: one that diverged in its first has none."""
        return any(map(len, readable_arrays(self.store, record, "curves").values()))


def _diverged(record: Record) -> bool:
    return record.outcome.status == "diverged"


def _in_order(key: str, values: Iterable[Any]) -> list[Any]:
    """Each once: optimizers as they are always listed, numbers ascending, anything else as it comes."""
    found = list(dict.fromkeys(values))
    if key == OPTIMIZER:
        return sorted(found, key=place)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
        return sorted(found)
    return found


def _axes(cells: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    keys = dict.fromkeys(key for values in cells for key in values)
    varying = [key for key in keys if len({values.get(key) for values in cells}) > 1]
    untuned = sorted((key for key in varying if key not in TUNED), key=lambda key: (key == OPTIMIZER, key != PART))
    return (*untuned, *(key for key in TUNED if key in varying))


def survey(parts: Mapping[str, Iterable[Result]], store: Store, failures: Mapping[str, str] | None = None) -> Survey:
    """The results of some parts side by side; one part needs no name. A run that two parts have is in both."""
    found: dict[tuple[tuple[str, Any], ...], dict[int, Result]] = {}
    for part, results in parts.items():
        for result in results:
            values = {PART: part, **values_of(result.config)}
            found.setdefault(tuple(values.items()), {}).setdefault(result.config.seed, result)
    axes = _axes([dict(values) for values in found])
    ranks = {key: _in_order(key, (dict(values).get(key) for values in found)) for key in axes}
    cells = [SurveyCell(dict(values), Point(tuple(of[seed] for seed in sorted(of)))) for values, of in found.items()]
    cells.sort(key=lambda cell: [ranks[key].index(cell.values.get(key)) for key in axes])
    return Survey(tuple(cells), axes, store, failures or {})


def results_of(records: Iterable[Record]) -> tuple[list[Result], dict[str, str]]:
    """A result for each record, and by identity the reasons of those that failed."""
    results, failures = [], {}
    for record in records:
        config = config_of_values(record.config)
        cell = Cell(config, cell_of(config).run, record.identity)
        results.append(Result(cell, record if record.outcome.is_result else None))
        if not record.outcome.is_result:
            failures[record.identity] = record.outcome.reason
    return results, failures


def for_every_method(results: Sequence[Result]) -> list[Result]:
    """The results, and those of Adam at lambda = 0 once for each method that is Adam there.

    For a method that has runs with a decay in the same setting at that step size and seed, and none without.
    """
    asked: dict[tuple[str, float, int], dict[str, RunConfig]] = {}
    there = set()
    for result in results:
        chosen, name = result.config.optimizer, method(vars(result.config.optimizer))
        key = (repr(setting_config(result.config)), chosen.lr, result.config.seed)
        there.add((*key, name, chosen.weight_decay))
        if chosen.weight_decay and OPTIMIZERS[chosen.name].without_decay == ADAM:
            asked.setdefault(key, {}).setdefault(name, result.config)
    found = list(results)
    for result in results:
        chosen = result.config.optimizer
        if chosen.weight_decay or chosen.name != TRAINS_ADAM:
            continue
        key = (repr(setting_config(result.config)), chosen.lr, result.config.seed)
        for name, config in asked.get(key, {}).items():
            if (*key, name, 0.0) not in there:
                own = with_values(config, {"optimizer.weight_decay": 0.0})
                found.append(Result(Cell(own, result.cell.run, result.cell.identity), result.record))
    return found
