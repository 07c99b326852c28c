"""Equal or not used: the fast path must be checked on a device before a result depends on it.

The first CUDA run of its kind compares about 20 steps with the plain loop's (`equality.py`) and stores the answer in
the user's cache, for that device, driver, software, precision, network and optimizer. If they differ or the comparison
fails, the run uses the plain loop: a wrong or crashing fast path costs speed but never a result.
"""

import dataclasses
import functools
import gc
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch

import scalefree
from scalefree.config import RunConfig
from scalefree.data import Dataset
from scalefree.files import atomic_write
from scalefree.paths import user_cache
from scalefree.training.device import describe, driver
from scalefree.training.fast.equality import distances
from scalefree.training.fast.speedups import captures

# The parts of the package that determine what a step computes.
CODE = ("data", "models", "optim", "training")
log = logging.getLogger(__name__)


@functools.cache
def _code() -> str:
    """A hash of that code, because an answer is valid only for the code that gave it."""
    package = Path(scalefree.__file__).parent
    found = hashlib.sha256()
    sources = (path for part in CODE for path in (package / part).rglob("*") if path.suffix in (".py", ".c", ".cu"))
    for path in sorted(sources):
        found.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def kind(config: RunConfig, dataset: Dataset, device: torch.device) -> dict[str, Any]:
    """What an answer is valid for. Step sizes, seeds and training lengths are not part of it."""
    optimizer, training = config.optimizer, config.training
    return {
        **describe(device),
        "driver": driver(),
        "torch": torch.__version__,
        "code": _code(),
        "runner": config.runner,
        "precision": config.precision,
        "model": dataclasses.asdict(config.model),
        "optimizer": [optimizer.name, optimizer.granularity, optimizer.eps],
        "decay": [optimizer.weight_decay > 0, optimizer.decay_unbalance > 0],
        "gradient_unbalance": training.gradient_unbalance > 0,
        "images": [len(dataset.train), list(dataset.train.images.shape[1:]), dataset.num_classes],
        "batch_size": training.batch_size,
    }


def _file(asked: dict[str, Any]) -> Path | None:
    """The file of the answer; None without a home folder."""
    folder = user_cache()
    name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]
    return None if folder is None else folder / "equality" / f"{name}.json"


def _remembered(file: Path | None) -> str | None:
    """The answer in a file: a reason, or an empty text if the two are equal. None if there is no answer."""
    try:
        reason = None if file is None else json.loads(file.read_bytes())["reason"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return reason if isinstance(reason, str) else None


def _remember(file: Path | None, asked: dict[str, Any], reason: str, measured: str) -> None:
    if file is None:
        return
    try:
        file.parent.mkdir(exist_ok=True)
        with atomic_write(file) as stream:
            stream.write(json.dumps({"reason": reason, "measured": measured, **asked}, indent=1).encode() + b"\n")
    except OSError as error:
        log.info("the answer could not be written to %s: %s", file, error)


def why_not(config: RunConfig, dataset: Dataset, device: torch.device) -> str:
    """Why the fast path must not be used for runs of this kind; empty if it equals the plain loop."""
    asked = kind(config, dataset, device)
    file = _file(asked)
    known = _remembered(file)
    if known is not None:
        return known
    lasting, measured = True, ""
    try:
        found = distances(config, dataset, device)
        measured, reason = found.describe(), found.too_large(config.precision)
    except Exception as error:  # any error means that equality was not shown
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
        lasting = not isinstance(error, torch.OutOfMemoryError)  # there may be more memory the next time
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
    if lasting:
        _remember(file, asked, reason, measured)
    return reason


def proven(config: RunConfig, dataset: Dataset, device: torch.device) -> RunConfig:
    """The configuration, with runner=plain and a logged reason if its own runner does not equal that here."""
    if not captures(config, device):
        return config
    reason = why_not(config, dataset, device)
    if not reason:
        return config
    log.warning("using runner=plain instead of runner=%s on this device: %s", config.runner, reason)
    return dataclasses.replace(config, runner="plain")
