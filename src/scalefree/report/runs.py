"""Every run on the page: those that the profile needs and all others in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalefree.experiments import Experiment, runs_of
from scalefree.experiments.coverage import State, state_of
from scalefree.records import Record, Store, scientific_config


@dataclass(frozen=True)
class Run:
    """A run and its state in the store.

    Attributes:
        config: the scientific configuration, as plain values.
        record: None if nothing was recorded.
        place: the path of its record, or where it would be, relative to RESULTS.
        experiments: the profile's experiments that need it; none for another profile's run.
    """

    name: str
    config: Mapping[str, Any]
    state: State
    record: Record | None
    place: str
    experiments: tuple[str, ...]

    @property
    def is_evidence(self) -> bool:
        """Whether the profile's figures and claims use it."""
        return bool(self.experiments) and self.record is not None and self.record.outcome.is_result


def _place(store: Store, name: str) -> str:
    """The document in a run's folder, or the archive that contains it; a browser can open both."""
    path = store.place(name)
    return (path / "record.json" if path == store.directory(name) else path.parent).relative_to(store.root).as_posix()


def list_runs(experiments: Sequence[Experiment], store: Store, records: Mapping[str, Record]) -> list[Run]:
    """The profile's runs in the order of its grids, then the store's other records by name."""
    by_name = {record.name: record for record in records.values()}

    def listed(name: str, config: Mapping[str, Any], needed_by: Sequence[str]) -> Run:
        record = by_name.get(name)
        return Run(name, config, state_of(store, name, record), record, _place(store, name), tuple(needed_by))

    asked = runs_of(experiments)
    others = sorted(by_name.keys() - asked.keys())
    return [
        *(listed(name, scientific_config(config), needed_by) for name, (config, needed_by) in asked.items()),
        *(listed(name, by_name[name].config, ()) for name in others),
    ]
