"""Rebuild a run's record, curves and histograms exactly from what wandb has.

wandb has the record as text, and the curves and histogram counts row by row; its files preserve numbers to the last
bit. Inconsistent logs are refused: wandb mirrors records and is never a source of new ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scalefree.bins import QUANTITIES
from scalefree.measure import histogram_arrays
from scalefree.records import Record, RecordError
from scalefree.records.identity import with_added_keys
from scalefree.records.reading import parse
from scalefree.records.record import from_document
from scalefree.tracking.metrics import CURVES
from scalefree.tracking.sessions import Session

Arrays = dict[str, npt.NDArray[Any]]
Row = Mapping[str, Any]
# Stands for a missing record; None will not do, because the log may contain any value.
NOT_ENDED = object()


@dataclass(frozen=True)
class Log:
    """What wandb has for one run; any part of it may be invalid until it has been rebuilt.

    Attributes:
        where: its name in messages.
        config: wandb's configuration, with more keys than a record.
        record: the text in its summary; NOT_ENDED if there is none.
        history: one row per epoch; parts of a histogram have dotted names (`<name>.values`).
    """

    where: str
    config: Any
    record: Any
    history: Sequence[Row]


def log_of(session: Session) -> Log:
    """The log in wandb's own file of a session.

    Raises:
        RecordError: it is damaged, or it lacks what every log has.
    """
    where = str(session.folder)
    try:
        rows = session.rows()
    except (OSError, ValueError) as error:
        raise RecordError(str(error)) from None
    try:
        updates = [row["summary"]["update"] for row in rows if "update" in row.get("summary", {})]
        texts = [update["record"] for update in updates if "record" in update]
        config: Any = next((row["run"]["config"]["update"] for row in rows if row["type"] == "run"), {})
        history = [row["history"]["item"] for row in rows if row["type"] == "history"]
    except (AttributeError, LookupError, TypeError) as error:
        raise RecordError(f"{where} was logged by another version ({error}); train the run again") from None
    return Log(where, config, texts[-1] if texts else NOT_ENDED, history)


def _logged_record(log: Log) -> Record | None:
    """The record in the run's summary; None if the run had not ended."""
    if log.record is NOT_ENDED:
        return None
    try:
        document = parse(log.record)
    except (TypeError, ValueError) as error:
        raise RecordError(f"{log.where} contains a damaged record ({error}); train the run again") from None
    return from_document(document, log.where)


def _check_config(log: Log, record: Record) -> None:
    """Check that wandb's own configuration of the run is the record's."""
    try:
        told = with_added_keys(dict(log.config))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RecordError(f"{log.where} contains no configuration of a run; train the run again") from None
    differing = [key for key in record.config if told.get(key) != record.config[key]]
    if differing:
        keys = ", ".join(differing)
        raise RecordError(f"{log.where} was logged with a different {keys} than in its record; train the run again")


def _curves(history: Sequence[Row]) -> Arrays:
    """One value per epoch, NaN if none was logged; infinities are text in wandb's files."""
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


def _rebuilt(log: Log) -> tuple[Record, Arrays, Arrays] | None:
    record = _logged_record(log)
    if record is None:
        return None
    _check_config(log, record)
    epochs = [row.get("epoch") for row in log.history]
    if epochs != list(range(1, len(epochs) + 1)):
        raise RecordError(f"{log.where} has epochs {epochs}: some are missing or repeated; train the run again")
    return record, _curves(log.history), _histograms(log.history, record)


def rebuild(log: Log) -> tuple[Record, Arrays, Arrays] | None:
    """The record with its curves and histograms; None if the run had not finished.

    Raises:
        RecordError: the log is damaged, has gaps, or does not match its record.
    """
    try:
        return _rebuilt(log)
    except RecordError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RecordError(f"{log.where} was logged by another version ({error}); train the run again") from None
