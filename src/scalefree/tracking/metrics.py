"""Every name that a run logs to wandb, with its unit and meaning. The tracker, the dashboards and docs/wandb.md use
this list, and a test compares it with what real runs log.
"""

from dataclasses import dataclass

from scalefree.bins import QUANTITIES

# Placeholder in a name for `network` or a layer group (`stem`, `stage1` .., `head`, `batch_norm`).
GROUP = "<group>"


@dataclass(frozen=True)
class Metric:
    """One logged name.

    Attributes:
        unit: the unit of its numbers, e.g. `s` or `share in [0, 1]`; `text` if it is not a number.
        lower_is_better: whether wandb's summary also keeps its lowest value, as `<name>.min`.
    """

    name: str
    unit: str
    description: str
    lower_is_better: bool = False


AXES = (
    Metric("epoch", "epochs", "epochs completed, counted from 1: wandb's step and the x axis of all charts"),
    Metric("images_seen", "images", "training images seen, including repetitions: the other x axis"),
)

# A record's curves, in its order.
CURVES = (
    Metric("batch_loss", "nats", "mean training loss of the epoch's batches, times the loss multiplier"),
    Metric("eta", "share in [0, 1]", "factor of the schedule: the epoch's step size is eta x alpha"),
    Metric("training_seconds", "s", "time spent in the epoch's training steps"),
    Metric(
        "train_loss", "nats", "loss of the whole training set without augmentation, times the loss multiplier", True
    ),
    Metric("train_error", "share in [0, 1]", "error on the whole training set", True),
    Metric(
        "augmented_train_loss",
        "nats",
        "loss of the augmented training set, times the loss multiplier, in evaluation mode: the paper's training loss",
        True,
    ),
    Metric("validation_loss", "nats", "loss of the held-out training images, if there are any", True),
    Metric("validation_error", "share in [0, 1]", "error on the held-out training images", True),
    Metric("test_loss", "nats", "loss of the test set, not multiplied (the authors multiply theirs)", True),
    Metric("test_error", "share in [0, 1]", "error on the test set", True),
    Metric("evaluation_seconds", "s", "time spent in evaluating all splits after the epoch"),
)

DERIVED = (
    Metric(
        "images_per_second",
        "images/s",
        "training images over the time in training steps: of the epoch or, in a finished run's summary, of all epochs",
    ),
)

QUANTITY_NAMES = {
    "update_scale": "|update| / alpha",
    "gradient": "|gradient|",
    "parameter": "|parameter|",
    "effective_decay": "a coordinate's own decay / (lambda eta)",
}
SCALARS = {
    "q05": ("log2", "5 % quantile over the coordinates above 1e-8"),
    "q25": ("log2", "25 % quantile"),
    "q50": ("log2", "median"),
    "q75": ("log2", "75 % quantile"),
    "q95": ("log2", "95 % quantile"),
    "iqr": ("powers of two", "q75 - q25, the spread"),
    "std": ("powers of two", "standard deviation of the log2"),
    "peak_share": ("share in [0, 1]", "coordinates in the four fullest bins: many for a peak, few for a plateau"),
    "entropy": ("bits", "entropy of the histogram over its interior bins"),
    "share_underflow": ("share in [0, 1]", "coordinates at or below 1e-8 (2^-80 for the effective decay)"),
    "share_not_finite": ("share in [0, 1]", "coordinates that are infinite or not a number"),
    "log2_histogram": (
        "coordinates",
        "counts by power of two; the first bin is everything at or below 1e-8 (2^-80), the last but one everything "
        "from 16 (2^41) on, the last what is not finite",
    ),
}
DROWN_OUT = Metric(
    f"effective_decay/{GROUP}/drown_out_share",
    "share in [0, 1]",
    "coordinates where lambda |x| is above sqrt(u_hat), where u is the second moment of the loss gradient",
)
MEASURED_AT = Metric(
    "measured_at_step", "optimizer steps", "the step, an epoch's first, after which everything was measured"
)
MEASURED = (
    *(
        Metric(f"{quantity}/{GROUP}/{scalar}", unit, f"{QUANTITY_NAMES[quantity]}: {description}")
        for quantity in QUANTITIES
        for scalar, (unit, description) in SCALARS.items()
    ),
    DROWN_OUT,
    MEASURED_AT,
)

# In the summary once a run has ended; losses and errors only if it completed.
FINAL = (
    Metric("final_train_loss", "nats", "after the last epoch"),
    Metric("final_augmented_train_loss", "nats", "after the last epoch: the training loss that the paper reports"),
    Metric("final_train_error", "share in [0, 1]", "after the last epoch"),
    Metric("final_validation_loss", "nats", "after the last epoch, if images are held out"),
    Metric("final_validation_error", "share in [0, 1]", "after the last epoch, if images are held out"),
    Metric("final_test_loss", "nats", "after the last epoch"),
    Metric("final_test_error", "share in [0, 1]", "after the last epoch: the number that the paper reports"),
    Metric("final_batch_loss", "nats", "of the last epoch"),
    Metric("lowest_test_error", "share in [0, 1]", "of all evaluated epochs"),
    Metric("wall_seconds", "s", "duration of the session that ended the run, including data and evaluation"),
    Metric("parameters", "coordinates", "trained coordinates"),
    Metric("outcome", "text", "completed or diverged"),
    Metric("outcome_step", "optimizer steps", "steps taken; for a diverged run, the step whose loss was not finite"),
    Metric("record", "text", "the whole record.json, so that the store can be rebuilt from wandb"),
)

METRICS = (*AXES, *CURVES, *DERIVED, *MEASURED, *FINAL)


def table() -> str:
    """All metrics as a Markdown table; the quantities, which share the same scalars, are one block."""
    lines = ["| name | unit | description |", "|---|---|---|"]
    quantities = ", ".join(f"`{name}` ({what.replace('|', '&#124;')})" for name, what in QUANTITY_NAMES.items())
    for metric in (*AXES, *CURVES, *DERIVED):
        lines.append(f"| `{metric.name}` | {metric.unit} | {metric.description} |")
    lines.append(f"| `<quantity>/{GROUP}/...` | | quantities: {quantities}; groups: `network` and its parts |")
    for scalar, (unit, description) in SCALARS.items():
        lines.append(f"| `.../{scalar}` | {unit} | {description} |")
    for metric in (DROWN_OUT, MEASURED_AT):
        lines.append(f"| `{metric.name}` | {metric.unit} | {metric.description.replace('|', '&#124;')} |")
    for metric in FINAL:
        lines.append(f"| `{metric.name}` | {metric.unit} | {metric.description} |")
    return "\n".join(lines)
