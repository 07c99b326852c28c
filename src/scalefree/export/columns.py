"""Every column of the exported tables, with its kind, unit and description; `docs/export.md` shows these lists.

Names are a run's Hydra keys (`optimizer.lr`) and wandb's names of metrics (`final_test_error`); all are syntactic names
in R. They are the same for every store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scalefree.records.environment import PACKAGES
from scalefree.records.schema import SCALARS as DISTRIBUTION
from scalefree.tracking.metrics import CURVES, DROWN_OUT, FINAL, QUANTITY_NAMES, SCALARS

Kind = Literal["text", "integer", "number", "boolean"]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        unit: the unit of its numbers; empty if there is none.
    """

    name: str
    kind: Kind
    unit: str
    description: str


# A run's scientific configuration, by Hydra key.
CONFIG = (
    Column("dataset.name", "text", "", "data set"),
    Column(
        "dataset.resolution",
        "integer",
        "pixels",
        "side length of CIFAR's images after averaging; missing: as published",
    ),
    Column("dataset.crop_padding", "integer", "pixels", "zero padding before the random crop; 0: no crop"),
    Column("dataset.horizontal_flip", "boolean", "", "whether training images are mirrored at random"),
    Column("dataset.validation_fraction", "number", "share in [0, 1]", "share of the training images that is held out"),
    Column("dataset.per_class", "integer", "images", "training images used per class; missing: all"),
    Column("dataset.fingerprint", "text", "", "hash that identifies an image folder's images"),
    Column("model.name", "text", "", "architecture"),
    Column("model.depth", "integer", "layers", "depth"),
    Column("model.batch_norm", "boolean", "", "whether it has BatchNorm"),
    Column("model.width", "integer", "channels", "channels of a ResNet's first stage"),
    Column("model.initialization", "text", "", "initialisation of a ResNet's weights"),
    Column("model.growth_rate", "integer", "channels", "channels that each layer of a DenseNet adds"),
    Column("optimizer.name", "text", "", "optimizer; ours are the same at lambda = 0 and are trained as adamw there"),
    Column("optimizer.lr", "number", "", "alpha, the initial step size"),
    Column("optimizer.weight_decay", "number", "", "lambda, the paper's decay"),
    Column("optimizer.betas", "text", "", "decay rates of the two moments, as a JSON list"),
    Column("optimizer.eps", "number", "", "eps, added to the root of the second moment"),
    Column("optimizer.granularity", "text", "", "coordinates that share a gradient scale in scaled Adam-l2"),
    Column("optimizer.decay_unbalance", "number", "decades", "how far the layers' decays are spread, to either side"),
    Column("optimizer.target", "text", "", "class of a torch optimizer"),
    Column("optimizer.arguments", "text", "", "its other arguments, as a JSON object"),
    Column("optimizer.decay", "text", "", "whether weight_decay is that optimizer's own or the paper's lambda"),
    Column("schedule.name", "text", "", "schedule of the step size"),
    Column("training.epochs", "integer", "epochs", "epochs of training"),
    Column("training.batch_size", "integer", "images", "images in a batch"),
    Column("training.loss_multiplier", "number", "", "factor by which the training loss is multiplied"),
    Column(
        "training.gradient_unbalance", "number", "decades", "how far the layers' gradients are spread, to either side"
    ),
    Column("training.evaluate_every", "integer", "epochs", "epochs from one evaluation to the next"),
    Column("training.histogram_epochs", "text", "", "epochs whose first step is measured, as a JSON list"),
    Column("precision", "text", "", "arithmetic of the forward pass"),
    Column("seed", "integer", "", "seed of initialisation, order and augmentation"),
    Column("replica", "integer", "", "number of the replica; replicas differ only in rounding"),
)

_FINAL = {metric.name: metric for metric in FINAL}
# A distribution's scalars, as in records; only decays have a drown-out share.
_SCALARS = {name: SCALARS.get(name, (DROWN_OUT.unit, DROWN_OUT.description)) for name in DISTRIBUTION}
LAST = tuple(
    Column(
        f"{quantity}.network.{name}",
        "number",
        unit,
        f"{QUANTITY_NAMES[quantity]}, last measured, network: {description}",
    )
    for quantity in ("update_scale", "effective_decay")
    for name, (unit, description) in _SCALARS.items()
    if name != "drown_out_share" or quantity == "effective_decay"
)

# Columns from a record's environment.
ENVIRONMENT = (
    Column("environment.device", "text", "", "CPU or GPU"),
    Column("environment.threads", "integer", "threads", "torch's threads on a CPU"),
    Column("environment.cpu_count", "integer", "cores", "cores of the machine"),
    Column("environment.cuda", "text", "", "CUDA's version"),
    Column("environment.cudnn", "integer", "", "cuDNN's version"),
    Column("environment.runner", "text", "", "training loop"),
    Column("environment.convolutions", "text", "", "implementation of the convolutions"),
    Column("environment.machine", "text", "", "instruction set"),
    Column("environment.platform", "text", "", "operating system"),
    Column("environment.python", "text", "", "Python's version"),
    *(
        Column(f"environment.packages.{package.replace('-', '_')}", "text", "", f"version of {package}")
        for package in PACKAGES
    ),
    Column("environment.commit", "text", "", "commit of this repository"),
    Column("environment.uncommitted_changes", "boolean", "", "whether code or configs differed from that commit"),
    Column(
        "environment.rest",
        "text",
        "",
        "everything else about the environment, including earlier sessions, as a JSON object",
    ),
)

NAME = Column("name", "text", "", "the run's directory name in the store; joins the three tables")

RUNS = (
    NAME,
    Column("identity", "text", "", "hash of its configuration, 12 hexadecimal digits"),
    Column("cell", "text", "", "hash of its configuration without the seed, which all seeds of a cell share"),
    Column("cell_name", "text", "", "the cell's readable name, including its hash"),
    Column(
        "experiments",
        "text",
        "",
        "the profile's experiments that need the run, separated by spaces; missing without profile=",
    ),
    Column("outcome", "text", "", "completed, diverged or failed"),
    Column("outcome_step", "integer", "optimizer steps", _FINAL["outcome_step"].description),
    Column("outcome_reason", "text", "", "what happened and where; for a failure, the traceback"),
    *CONFIG,
    *(
        Column(metric.name, "number", metric.unit, metric.description)
        for metric in FINAL
        if metric.name.startswith(("final_", "lowest_"))
    ),
    Column("wall_seconds", "number", _FINAL["wall_seconds"].unit, _FINAL["wall_seconds"].description),
    Column("images_per_second", "number", "images/s", "training images over the time in training steps"),
    Column("parameters", "integer", _FINAL["parameters"].unit, _FINAL["parameters"].description),
    *(
        Column(f"split_sizes.{split}", "integer", "images", f"images in the {split} split")
        for split in ("train", "validation", "test")
    ),
    *(
        Column(f"fingerprints.{split}", "text", "", f"hash of the {split} split's images, independent of their order")
        for split in ("train", "validation", "test")
    ),
    *LAST,
    *ENVIRONMENT,
)

EPOCHS = (
    NAME,
    Column("epoch", "integer", "epochs", "epochs completed, counted from 1"),
    *(Column(metric.name, "number", metric.unit, metric.description) for metric in CURVES),
    Column("drown_out_share", "number", DROWN_OUT.unit, f"{DROWN_OUT.description}; whole network, in measured epochs"),
)

HISTOGRAMS = (
    NAME,
    Column("epoch", "integer", "epochs", "the epoch that was measured, counted from 1"),
    Column(
        "step",
        "integer",
        "optimizer steps",
        "the step after which it was measured; missing in records of earlier versions",
    ),
    Column("quantity", "text", "", ", ".join(f"`{name}` ({what})" for name, what in QUANTITY_NAMES.items())),
    Column("group", "text", "", "`network`, or one of its parts: `stem`, `stage1` .., `head`, `batch_norm`"),
    Column(
        "bin", "integer", "", "index in the histogram; 0 is underflow, and the last two are overflow and not finite"
    ),
    Column("log2_low", "number", "log2", "the bin's lower edge; -Inf for underflow, missing where not finite"),
    Column("log2_high", "number", "log2", "its upper edge; Inf for overflow, missing where not finite"),
    Column("count", "integer", "coordinates", "coordinates in the bin; empty bins have no row"),
)

TABLES: dict[str, Sequence[Column]] = {"runs": RUNS, "epochs": EPOCHS, "histograms": HISTOGRAMS}


def markdown(name: str) -> str:
    """A table's columns as Markdown."""
    lines = ["| column | kind | unit | description |", "|---|---|---|---|"]
    for column in TABLES[name]:
        description = column.description.replace("|", "&#124;")
        lines.append(f"| `{column.name}` | {column.kind} | {column.unit} | {description} |")
    return "\n".join(lines)
