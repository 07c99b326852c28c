"""What two trainings of a run must have in common, and where two of its records differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scalefree.records.reading import Arrays
from scalefree.records.record import Record

# What can happen to a result that is merged or moved to an archive, in the order of the summary.
Fate = Literal[
    "added",
    "moved",
    "identical",
    "already archived",
    "conflicting",
    "damaged",
    "computed elsewhere",
    "being trained here",
    "unfinished",
]


@dataclass(frozen=True)
class Treated:
    """What happened to one run's result, and why."""

    name: str
    fate: Fate
    detail: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether someone must look, because the result is damaged or contradicts another; it is left as it is."""
        return self.fate in ("conflicting", "damaged")


def content(record: Record, curves: Arrays, histograms: Arrays) -> dict[str, Any]:
    """Everything that two trainings of a run must have in common, by name, in a form that `==` compares bit by bit.

    That is everything except wall-clock times and the environment.
    """
    document = record.document()
    found = {key: document[key] for key in document if key not in ("environment", "timing")}
    for kind, arrays in (("curves", curves), ("histograms", histograms)):
        for name, array in arrays.items():
            if "seconds" not in name:
                found[f"{kind}/{name}"] = (array.dtype.str, array.shape, array.tobytes())
    return found


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """The keys whose values differ between two mappings, or that only one of them has."""
    return sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))
