"""What a run leaves behind: one JSON document and a few arrays, readable without torch.

`record.json` holds everything that is not an array. `curves.npz` has arrays with one row per epoch. `histograms.npz`
has one row per measured epoch: `epoch` and `step` (E,), the optimizer step after which it was measured, the epoch's
first; `log2_lower_edge` (edges,) and (E, edges + 3) each of `counts/<group>` for the update scales,
`gradient_counts/<group>` and `parameter_counts/<group>`; and where there is decay `effective_decay_log2_lower_edge` and
`effective_decay_counts/<group>` likewise, and `drown_out_share/<group>` (E,). Records of earlier versions have no
`step` and were measured after the epoch's last one; they lack what is named last, the oldest all but `counts/<group>`.
Arrays that hold wall-clock time have `seconds` in their names and are the only ones that may differ between two
trainings of one run on the same device and build.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from scalefree.optimizers import BY_DIRECTION
from scalefree.records.identity import identities_of_values, with_added_keys

RECORD_FORMAT = 1

Status = Literal["completed", "diverged", "failed"]


class RecordError(ValueError):
    """A record that is damaged, foreign or mislabelled; the message names the file and what to do."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended. Divergence (weights or a final training loss that are not numbers) is a result; failure is not.

    Attributes:
        step: optimizer steps taken; for a diverged run the first step (counted from 1) whose loss was not finite.
        reason: what happened where; a completed run's says at which steps its loss was not finite, if any.
    """

    status: Status
    step: int
    reason: str = ""

    @property
    def is_result(self) -> bool:
        """True when training the same run again could only give the same."""
        return self.status in ("completed", "diverged")


@dataclass(frozen=True)
class Record:
    """One run's result.

    Attributes:
        config: the scientific configuration, as plain values.
        outcome: completed, diverged at a step, or failed with a reason.
        environment: versions, commit, device, threads.
        fingerprints: of each data split, independent of the order of its images.
        final_metrics: scalars of the last epoch; `final_test_error` in [0, 1], None unless completed.
        update_scale: scalars of the last measured update scales by layer group (`network` is all of them).
        update: what the update scales are the sizes of.
        effective_decay: likewise of each coordinate's own decay, in units of lambda eta, with the `drown_out_share`;
            empty without decay.
        split_sizes: images in each split; empty in records of earlier versions.
        timing: `wall_seconds`, `images_per_second` (training images over the time spent in training steps).
        parameters: number of trained coordinates.
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

    @property
    def test_error(self) -> float:
        """Final test error; above 1 for a run that diverged, as the paper counts it."""
        error = self.final_metrics.get("final_test_error")
        return 2.0 if error is None else error

    @property
    def validation_error(self) -> float | None:
        """Final validation error, None where no validation split was held out; above 1 for a diverged run."""
        if not self.config["dataset"]["validation_fraction"]:
            return None
        error = self.final_metrics.get("final_validation_error")
        return 2.0 if error is None else error

    def document(self) -> dict[str, Any]:
        """The content of record.json."""
        return {"format": RECORD_FORMAT, **asdict(self)}


def _check_result(record: Record) -> None:
    """A completed run has an error that can be one, and no other run has any."""
    status, error = record.outcome.status, record.final_metrics["final_test_error"]
    if status not in get_args(Status):
        raise ValueError(f"unknown outcome {status}")
    if (error is not None and 0 <= error <= 1) != (status == "completed"):
        raise ValueError(f"{status} with final_test_error {error}")


def from_document(document: Any, where: str) -> Record:
    """The record that a parsed JSON document describes, checked against its own identity.

    Raises:
        RecordError: a document of another format, with missing or impossible values, or whose identity is not its
            config's.
    """
    if not isinstance(document, dict):
        raise RecordError(f"{where} is no record of this project; remove it and train the run again")
    if document.get("format") != RECORD_FORMAT:
        raise RecordError(
            f"{where} has format {document.get('format')}, and this version reads {RECORD_FORMAT}; use the version "
            "that wrote it, or remove it and train the run again"
        )
    try:
        fields = {key: value for key, value in document.items() if key != "format"}
        expected = identities_of_values(fields["config"])
        config = with_added_keys(fields["config"])
        record = Record(**{**fields, "config": config, "outcome": Outcome(**fields["outcome"])})
        _check_result(record)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise RecordError(
            f"{where} is no record of this project ({error}); remove it and train the run again"
        ) from None
    if record.identity not in expected or not str(record.name).endswith(f"-{record.identity}"):
        raise RecordError(
            f"{where} says identity {record.identity}, but its config has {expected[0]}: it was edited or "
            "mislabelled; remove it and train the run again"
        )
    return record


def describe_outcome(record: Record) -> str:
    """`test error 0.1234` or `diverged at step 17`: a result in a few words."""
    if record.outcome.status == "completed":
        return f"test error {record.test_error:.4f}"
    if record.outcome.status == "diverged":
        return f"diverged at step {record.outcome.step}"
    return f"failed: {record.outcome.reason.strip().splitlines()[-1]}"
