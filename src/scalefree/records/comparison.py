"""What two trainings of one run have in common, and where two records of it differ."""

from collections.abc import Mapping
from typing import Any

from scalefree.records.reading import Arrays
from scalefree.records.record import Record


def content(record: Record, curves: Arrays, histograms: Arrays) -> dict[str, Any]:
    """All that two trainings of one run have in common, by name, in a form that `==` compares bit by bit.

    That is everything but wall-clock times and the environment.
    """
    document = record.document()
    found = {key: document[key] for key in document if key not in ("environment", "timing")}
    for kind, arrays in (("curves", curves), ("histograms", histograms)):
        for name, array in arrays.items():
            if "seconds" not in name:
                found[f"{kind}/{name}"] = (array.dtype.str, array.shape, array.tobytes())
    return found


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """The names under which two mappings differ, or that only one of them has."""
    return sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))
