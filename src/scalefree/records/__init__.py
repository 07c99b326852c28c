"""Records of runs and the store that contains them. Does not depend on training."""

from scalefree.records.identity import (
    cell_identity,
    cell_slug,
    model_label,
    run_identity,
    run_label,
    run_name,
    scientific_config,
)
from scalefree.records.record import Outcome, Record, RecordError, describe_outcome
from scalefree.records.results_dir import check_results_dir
from scalefree.records.store import ResultExists, Store

__all__ = [
    "Outcome",
    "Record",
    "RecordError",
    "ResultExists",
    "Store",
    "cell_identity",
    "cell_slug",
    "check_results_dir",
    "describe_outcome",
    "model_label",
    "run_identity",
    "run_label",
    "run_name",
    "scientific_config",
]
