"""From a run's wandb session back to its record, curves and histograms, exactly.

wandb holds the record as text, and the curves and histogram counts row by row; numbers survive its files to the last
bit. What does not fit together is refused: wandb mirrors records, and is never a source of new ones.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.measure import QUANTITIES, histogram_arrays
from scalefree.records import Record, RecordError
from scalefree.records.identity import with_added_keys
from scalefree.records.reading import parse
from scalefree.records.record import from_document
from scalefree.tracking.metrics import CURVES
from scalefree.tracking.sessions import Session

Arrays = dict[str, npt.NDArray[Any]]
Row = Mapping[str, Any]


def _logged_record(rows: Sequence[Mapping[str, Any]], where: str) -> Record | None:
    """The record in the run's summary; None where the run had not ended."""
    texts = [row["summary"]["update"]["record"] for row in rows if "record" in row.get("summary", {}).get("update", {})]
    if not texts:
        return None
    try:
        document = parse(texts[-1])
    except (TypeError, ValueError) as error:
        raise RecordError(f"{where} holds a damaged record ({error}); train the run again") from None
    return from_document(document, where)


def _check_config(rows: Sequence[Mapping[str, Any]], record: Record, where: str) -> None:
    """wandb's own configuration of the run must be the record's."""
    told: Row = next((row["run"]["config"]["update"] for row in rows if row["type"] == "run"), {})
    try:
        told = with_added_keys(dict(told))
    except (KeyError, TypeError, AttributeError):
        raise RecordError(f"{where} holds no configuration of a run; train it again") from None
    differing = [key for key in record.config if told.get(key) != record.config[key]]
    if differing:
        raise RecordError(f"{where} was logged with another {', '.join(differing)} than its record has; train it again")


def _curves(history: Sequence[Row]) -> Arrays:
    """One value an epoch, NaN where none was logged; infinities are text in wandb's files."""
    names = [metric.name for metric in CURVES if any(metric.name in row for row in history)]
    return {name: np.array([float(row.get(name, math.nan)) for row in history]) for name in names}


def _histograms(history: Sequence[Row], record: Record) -> Arrays:
    measured = [row for row in history if "update_scale/network/log2_histogram.values" in row]
    groups = list(record.update_scale)
    there = [name for name in QUANTITIES if measured and f"{name}/network/log2_histogram.values" in measured[0]]
    counts = {
        f"{quantity}/{group}": [row[f"{quantity}/{group}/log2_histogram.values"] for row in measured]
        for quantity in there
        for group in groups
    }
    drown_out = {
        group: [row[f"effective_decay/{group}/drown_out_share"] for row in measured] for group in record.effective_decay
    }
    epochs = [row["epoch"] for row in measured]
    return histogram_arrays(epochs, [row["measured_at_step"] for row in measured], counts, drown_out)


def _rebuilt(rows: Sequence[Row], where: str) -> tuple[Record, Arrays, Arrays] | None:
    record = _logged_record(rows, where)
    if record is None:
        return None
    _check_config(rows, record, where)
    history = [row["history"]["item"] for row in rows if row["type"] == "history"]
    epochs = [row.get("epoch") for row in history]
    if epochs != list(range(1, len(epochs) + 1)):
        raise RecordError(f"{where} has epochs {epochs}: some are missing or double; train the run again")
    return record, _curves(history), _histograms(history, record)


def rebuild(session: Session) -> tuple[Record, Arrays, Arrays] | None:
    """The record with its curves and histograms; None where the session holds no finished run.

    Raises:
        RecordError: a log that is damaged, has gaps, or does not fit its record.
    """
    where = str(session.folder)
    try:
        rows = session.rows()
    except (OSError, ValueError) as error:
        raise RecordError(str(error)) from None
    try:
        return _rebuilt(rows, where)
    except RecordError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RecordError(f"{where} was logged by another version ({error}); train the run again") from None
