"""A survey of any set of results: what varies among them, what they share, and the best cell of each group.

The results may be those of a multirun, of a named experiment or of any part of a store. Tables and figures use this.
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

# Keys by which runs are grouped, as one types them; the method stands for all the keys that define it.
OPTIMIZER, LR, WEIGHT_DECAY, DEPTH, PART = "optimizer", "optimizer.lr", "optimizer.weight_decay", "model.depth", "part"
# Tuned separately for each method.
TUNED = (LR, WEIGHT_DECAY)
# Always mentioned if they do not vary; all other keys only if they differ from their defaults.
_ALWAYS = (
    "dataset", "model", DEPTH, "model.batch_norm", OPTIMIZER, LR, WEIGHT_DECAY, "training.epochs", "training.batch_size"
)  # fmt: skip


def values_of(config: RunConfig) -> dict[str, Any]:
    """Every scientific key of a run except the seed, with its value: `{"optimizer": "adamw", "model.depth": 20, ...}`.

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
    """The last part of a key: `weight_decay`."""
    return key.rpartition(".")[2]


def listed(words: Iterable[str]) -> str:
    """`depth, lr and weight_decay`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def written(key: str, value: Any) -> str:
    """A value as shown to the reader: `AdamW`, `1e-3`, `false`, `none`."""
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
    """Runs that differ only in the seed.

    Attributes:
        values: the value of every key, as in `values_of`; PART is the part of the store that it belongs to.
    """

    values: Mapping[str, Any]
    point: Point


@dataclass(frozen=True)
class Survey:
    """Results by what varies among them.

    Attributes:
        cells: in the order of tables and figures.
        axes: the keys that vary: first those that define groups, then the series, then the tuned ones.
        failures: why runs failed, by identity.
    """

    cells: tuple[SurveyCell, ...]
    axes: tuple[str, ...]
    store: Store
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def tuned(self) -> tuple[str, ...]:
        """Whichever of step size and decay vary within a part; a difference only between parts was chosen by the
        user.
        """
        return tuple(key for key in self.axes if key in TUNED and not self._parts_decide(key))

    @property
    def series(self) -> str | None:
        """What is compared side by side: the optimizer if it varies, otherwise another key that does."""
        untuned = [key for key in self.axes if key not in TUNED]
        return untuned[-1] if untuned else None

    @property
    def across(self) -> tuple[str, ...]:
        """All other keys that vary: each of their combinations is a group.

        A key that the series determines does not define groups: parts with one optimizer each are compared with each
        other. Nor does one that the part decides, whose name says it.
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
        """The error by which the best cell is chosen: validation if every run holds out images for it."""
        held_out = [cell.point.results[0].config.dataset.validation_fraction > 0 for cell in self.cells]
        return "validation" if held_out and all(held_out) else "test"

    @property
    def points(self) -> list[Point]:
        return [cell.point for cell in self.cells]

    @property
    def seeds(self) -> list[int]:
        """All seeds of any cell."""
        return sorted({result.config.seed for point in self.points for result in point.results})

    def along(self, key: str) -> list[Any]:
        """The values of a varying key, in order."""
        return _in_order(key, (cell.values.get(key) for cell in self.cells))

    def groups(self) -> dict[tuple[Any, ...], dict[Any, list[SurveyCell]]]:
        """Cells by their values of `across` and, in each group, by that of the series (None without one)."""
        found: dict[tuple[Any, ...], dict[Any, list[SurveyCell]]] = {}
        for cell in self.cells:
            group = tuple(cell.values.get(key) for key in self.across)
            found.setdefault(group, {}).setdefault(self.series and cell.values.get(self.series), []).append(cell)
        return found

    def best_of(self, cells: Iterable[SurveyCell]) -> SurveyCell | None:
        """The cell with the lowest mean error among those with the most seeds, so that a single lucky run cannot win,
        and without divergence. None if there is none.
        """
        of = {id(cell.point): cell for cell in cells if cell.point.records}
        sound = [cell.point for cell in of.values() if not any(_diverged(r) for r in cell.point.records.values())]
        most = max((len(point.records) for point in sound), default=0)
        found = best((point for point in sound if len(point.records) == most), self.criterion)
        return None if found is None else of[id(found)]

    def best_cells(self) -> list[SurveyCell]:
        """The best cell over step size and decay for each combination of everything else that varies; if neither
        varies, the best of all. Empty for a single cell.
        """
        if len(self.cells) < 2:
            return []
        alike = [cells for group in self.groups().values() for cells in group.values()]
        found = [self.best_of(cells) for cells in (alike if self.tuned else [list(self.cells)])]
        return [cell for cell in found if cell is not None]

    def fixed(self) -> list[str]:
        """What all cells share, in words: `depth 20`."""
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
        """What is missing, as a sentence without a full stop; empty if nothing is."""
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
                f"only {len(self.cells)} of the {combinations} combinations of {listed(map(short, free))} are here"
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
        """The methods that are Adam in cells without decay, if there are several, which differ only in name."""
        found = {
            cell.values[OPTIMIZER]
            for cell in self.cells
            if not cell.point.weight_decay
            and OPTIMIZERS[cell.point.results[0].config.optimizer.name].without_decay == ADAM
        }
        return sorted(found, key=place) if len(found) > 1 else []

    def has_curves(self, record: Record) -> bool:
        """Whether a record has any epoch to show: a run that diverged in its first has none."""
        return any(map(len, readable_arrays(self.store, record, "curves").values()))


def _diverged(record: Record) -> bool:
    return record.outcome.status == "diverged"


def _in_order(key: str, values: Iterable[Any]) -> list[Any]:
    """Distinct values: optimizers in their usual order, numbers ascending, anything else in order of appearance."""
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
    """Combine the results of several parts of a store; a run that belongs to two parts appears in both."""
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
    """A result for each record, and the reasons of failed runs by identity."""
    results, failures = [], {}
    for record in records:
        config = config_of_values(record.config)
        cell = Cell(config, cell_of(config).run, record.identity)
        results.append(Result(cell, record if record.outcome.is_result else None))
        if not record.outcome.is_result:
            failures[record.identity] = record.outcome.reason
    return results, failures


def for_every_method(results: Sequence[Result]) -> list[Result]:
    """The results, with those of Adam at lambda = 0 repeated for each method that is Adam there.

    This applies to methods that have runs with a decay, but none without, at that step size and seed in the same
    setting.
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
