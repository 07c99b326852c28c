"""The record of a run: one JSON document and a few arrays, readable without torch.

`record.json` contains everything that is not an array. `curves.npz` has arrays with one row per epoch. `histograms.npz`
has one row per measured epoch: `epoch` and `step` (E,), the optimizer step after which it was measured, the epoch's
first; `log2_lower_edge` (edges,) and (E, edges + 3) each of `counts/<group>` for the update scales,
`parameter_counts/<group>`; likewise `gradient_log2_lower_edge` and `gradient_counts/<group>`; and where there is decay
`effective_decay_log2_lower_edge` and `effective_decay_counts/<group>`, and `drown_out_share/<group>` (E,). Records of
earlier versions have no `step` and were measured after the epoch's last one; their gradients have the bins of the
update scales; they lack what is named last, the oldest all but `counts/<group>`.
`schema.py` lists every name with its allowed values. `checksum` covers everything else in the document,
`array_checksums` the content of the two array files (`checksums.py`); records of earlier versions have neither. Arrays
of wall-clock times have `seconds` in their names and are the only ones that may differ between two trainings of a run
on the same device and build.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from scalefree.config import ConfigError, RunConfig
from scalefree.optimizers import BY_DIRECTION, OPTIMIZERS
from scalefree.records.checksums import document_checksum
from scalefree.records.configuration import config_of_values
from scalefree.records.identity import identities_of_values, run_identity, run_label, with_added_keys
from scalefree.records.printable import printable, quoted
from scalefree.records.schema import DOCUMENT, RECORD_FORMAT, Status, mapping


class RecordError(ValueError):
    """A record is damaged, foreign or mislabelled; the message says on one line which file and what to do."""

    def __init__(self, message: str) -> None:
        # It quotes names and values that others chose.
        super().__init__(printable(message, 2000))


@dataclass(frozen=True)
class Outcome:
    """How a run ended. Divergence (weights or final training loss not finite) is a result; failure is not.

    Attributes:
        step: optimizer steps taken; for a diverged run the first step (counted from 1) whose loss was not finite.
        reason: what happened and where; for a completed run, the steps at which its loss was not finite, if any.
    """

    status: Status
    step: int
    reason: str = ""

    @property
    def is_result(self) -> bool:
        """True if training the run again could only give the same result."""
        return self.status in ("completed", "diverged")


@dataclass(frozen=True)
class Record:
    """One run's result.

    Attributes:
        config: the scientific configuration, as plain values.
        outcome: completed, diverged at a step, or failed with a reason.
        environment: versions, commit, device, threads; `earlier_sessions` lists the environments in which the run was
            trained before it was resumed in another one.
        fingerprints: hash of each data split, independent of the order of its images.
        final_metrics: scalars of the last epoch; `final_test_error` in [0, 1], None unless completed.
        update_scale: scalars of the last measured update scales by layer group (`network` is the whole network).
        update: what the update scales measure; records of earlier versions do not say and mean the default.
        effective_decay: likewise for each coordinate's own decay, in units of lambda eta, with the `drown_out_share`;
            empty without decay.
        split_sizes: images in each split; empty in records of earlier versions.
        timing: `wall_seconds`, `images_per_second` (training images over the time spent in training steps).
        parameters: number of trained coordinates.
        array_checksums: checksums of `curves` and `histograms` as written; empty in records of earlier versions and
            before a store has written them. Not part of the record's content.
    """

    identity: str
    name: str
    config: dict[str, Any]
    outcome: Outcome
    environment: dict[str, Any]
    fingerprints: dict[str, str]
    final_metrics: dict[str, float | None]
    update_scale: dict[str, dict[str, float]] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    effective_decay: dict[str, dict[str, float]] = field(default_factory=dict)
    split_sizes: dict[str, int] = field(default_factory=dict)
    update: str = BY_DIRECTION
    array_checksums: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def test_error(self) -> float:
        """Final test error; above 1 for a diverged run, as in the paper."""
        error = self.final_metrics.get("final_test_error")
        return 2.0 if error is None else error

    @property
    def validation_error(self) -> float | None:
        """Final validation error; above 1 for a diverged run, None without a validation split."""
        if not self.config["dataset"]["validation_fraction"]:
            return None
        error = self.final_metrics.get("final_validation_error")
        return 2.0 if error is None else error

    def document(self) -> dict[str, Any]:
        """The content of record.json without checksums."""
        document = {"format": RECORD_FORMAT, **asdict(self)}
        del document["array_checksums"]
        return document


def _check_name(record: Record) -> RunConfig:
    """Check the name, which decides where a record is written and so must follow from the configuration alone."""
    try:
        config = config_of_values(record.config)
    except ConfigError as error:
        raise ValueError(f"it was edited or written by another version: {error}") from None
    known = identities_of_values(
        record.config
    )  # including earlier formats, so that such records stay readable under their names
    identity = record.identity if record.identity in known else run_identity(config)
    for key, expected in (("identity", identity), ("name", f"{run_label(config)}-{identity}")):
        found = getattr(record, key)
        if found != expected:
            raise ValueError(
                f"its {key} is {quoted(found)}, but its configuration gives {expected}: it was edited, is mislabelled "
                "or is a second record of that run"
            )
    return config


def _check_fingerprints(record: Record, config: RunConfig) -> None:
    """Check that every split has a fingerprint; an image folder's are also in its configuration."""
    splits = {"train", "test"} | ({"validation"} if config.dataset.validation_fraction else set())
    if record.fingerprints.keys() != splits:
        has = ", ".join(record.fingerprints) or "nothing"
        raise ValueError(f"it has fingerprints of {has} instead of {', '.join(sorted(splits))}")
    of_images = "-".join(fingerprint[:12] for fingerprint in record.fingerprints.values())
    if config.dataset.name == "image_folder" and config.dataset.fingerprint != of_images:
        raise ValueError(f"its configuration has other images than its fingerprints, {of_images}")


def _check_steps(record: Record, config: RunConfig) -> None:
    """As many as there are batches; where the images were not counted, at least one per epoch."""
    sizes, training = record.split_sizes, config.training
    if sizes and sizes.keys() != record.fingerprints.keys():
        raise ValueError(f"it has split_sizes of {', '.join(sizes)} and not of {', '.join(record.fingerprints)}")
    per_epoch = math.ceil(sizes["train"] / training.batch_size) if sizes else None
    step, epochs = record.outcome.step, training.epochs
    if record.outcome.status == "completed":
        if step < epochs or (per_epoch and step != per_epoch * epochs):
            raise ValueError(
                f"it completed {epochs} epochs{f' of {per_epoch} steps' * bool(per_epoch)} in {step} steps"
            )
    elif step < 1 or (per_epoch and step > per_epoch * epochs):
        raise ValueError(f"it diverged at step {step}, which it does not have")


def _check_metrics(record: Record, config: RunConfig) -> None:
    """Check that completed runs have errors and others do not."""
    completed = record.outcome.status == "completed"
    needed = ["final_test_error", *["final_validation_error"] * bool(config.dataset.validation_fraction)]
    for name in needed if completed else record.final_metrics:
        value = record.final_metrics.get(name)
        if (value is not None) != completed:
            raise ValueError(f"{record.outcome.status} with {name} {value}")


def _check_result(record: Record, config: RunConfig) -> None:
    """Check that a result has its images' fingerprints, its time and its number of parameters."""
    _check_fingerprints(record, config)
    if "wall_seconds" not in record.timing:
        raise ValueError("timing has no wall_seconds")
    if record.update != (expected := OPTIMIZERS[config.optimizer.name].update):
        raise ValueError(f"its update is {record.update}, but its optimizer's is {expected}")
    if record.parameters < 1:
        raise ValueError("parameters is 0")
    _check_steps(record, config)
    if record.outcome.status == "completed" and "network" not in record.update_scale:
        raise ValueError("update_scale has no network")


def _check_checksums(document: dict[str, Any]) -> None:
    """Check the document's checksums, which records of earlier versions lack."""
    if "checksum" in document and document["checksum"] != document_checksum(document):
        raise ValueError("its checksum does not match: it was changed after it was written")
    arrays = document.get("array_checksums", {"curves": "", "histograms": ""}).keys()
    if ("array_checksums" in document) != ("checksum" in document) or arrays != {"curves", "histograms"}:
        raise ValueError("some of its checksums are missing")


def record_of(document: dict[str, Any]) -> Record:
    """The record that a parsed JSON document describes.

    Raises:
        ValueError: unknown, missing or impossible entries, or an identity, name or checksum that does not match.
    """
    mapping(DOCUMENT)("", document)
    _check_checksums(document)
    try:
        fields = {key: value for key, value in document.items() if key not in ("format", "checksum")}
        config = with_added_keys(fields["config"])
        record = Record(**{**fields, "config": config, "outcome": Outcome(**fields["outcome"])})
    except (TypeError, KeyError, AttributeError) as error:  # an entry without a default is missing
        raise ValueError(str(error)) from None
    typed = _check_name(record)
    _check_metrics(record, typed)
    if record.outcome.is_result:
        _check_result(record, typed)
    return record


def from_document(document: Any, where: str, remedy: str = "remove it and train the run again") -> Record:
    """Like `record_of`, for any value read from `where`; `remedy` is what to do if it is damaged.

    Raises:
        RecordError: it has another format or is not a valid record.
    """
    if not isinstance(document, dict):
        raise RecordError(f"{where} is not a record of this project; {remedy}")
    found = document.get("format")
    if type(found) is not int or found != RECORD_FORMAT:
        raise RecordError(
            f"{where} has format {quoted(found)}, but this version reads {RECORD_FORMAT}; use the version that wrote "
            f"it, or {remedy}"
        )
    try:
        return record_of(document)
    except ValueError as error:
        raise RecordError(f"{where} is not a valid record of this project ({error}); {remedy}") from None


def describe_outcome(record: Record) -> str:
    """`test error 0.1234` or `diverged at step 17`: a result in a few words."""
    if record.outcome.status == "completed":
        return f"test error {record.test_error:.4f}"
    if record.outcome.status == "diverged":
        return f"diverged at step {record.outcome.step}"
    return f"failed: {last_line(record.outcome.reason)}"


def last_line(reason: str) -> str:
    """The last line of a traceback, made safe for a terminal; empty if there is none."""
    return printable((reason.strip().splitlines() or [""])[-1])
