"""One run, from its configuration to its record in the store."""

import contextlib
import dataclasses
import logging
import math
import time
import traceback
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from scalefree.config import RunConfig, validate
from scalefree.data import Dataset
from scalefree.interruption import Interrupted
from scalefree.measure import histogram_arrays
from scalefree.optimizers import OPTIMIZERS
from scalefree.records import (
    Outcome,
    Record,
    RecordError,
    ResultExists,
    Store,
    check_results_dir,
    describe_outcome,
    run_identity,
    run_name,
    scientific_config,
)
from scalefree.records.environment import versions
from scalefree.tracking import start_tracker
from scalefree.training.checkpoint import Progress
from scalefree.training.chosen_optimizer import check_optimizers
from scalefree.training.device import choose_device, describe
from scalefree.training.fast.memory import keep_freed_memory
from scalefree.training.fast.proven import proven
from scalefree.training.progress import Reporter
from scalefree.training.task import build_task, load_data
from scalefree.training.trainer import Trainer

Arrays = dict[str, npt.NDArray[Any]]
# The most characters kept of a failure's traceback, from its end.
LONGEST_REASON = 50_000
log = logging.getLogger(__name__)


class RunBusy(Exception):
    """Another process is currently training this run."""


def resolve(config: RunConfig, dataset: Dataset) -> RunConfig:
    """The configuration, completed with an image folder's fingerprint, which only the data can give.

    Raises:
        ValueError: the configuration has a different fingerprint from the folder.
    """
    if config.dataset.name != "image_folder":
        return config
    # Including the held-out images, because they decide which cell is best.
    found = "-".join(fingerprint[:12] for fingerprint in dataset.fingerprints.values())
    asked = config.dataset.fingerprint
    if asked is not None and asked != found:
        raise ValueError(
            f"dataset.root={config.dataset.root} does not contain the images of dataset.fingerprint={asked}; "
            f"its fingerprint is {found}"
        )
    return dataclasses.replace(config, dataset=dataclasses.replace(config.dataset, fingerprint=found))


def _final_metrics(outcome: Outcome, progress: Progress) -> dict[str, float | None]:
    """The last epoch's metrics, and the best epoch's test error; None if not finite or the run did not complete."""
    metrics: dict[str, float | None] = {}
    for name, values in progress.curves.items():
        if name.split("_")[-1] in ("loss", "error"):
            # A test loss may overflow even if the training loss does not, and JSON has no infinity.
            known = outcome.status == "completed" and math.isfinite(values[-1])
            metrics[f"final_{name}"] = values[-1] if known else None
    metrics.setdefault("final_test_error", None)
    errors = [error for error in progress.curves.get("test_error", []) if not math.isnan(error)]
    metrics["lowest_test_error"] = min(errors) if errors and outcome.status == "completed" else None
    return metrics


def _record(config: RunConfig, trainer: Trainer, outcome: Outcome, wall_seconds: float) -> Record:
    task, progress = trainer.task, trainer.progress
    seconds = math.fsum(progress.curves.get("training_seconds", []))
    images = progress.epoch * len(task.dataset.train)
    return Record(
        identity=run_identity(config),
        name=run_name(config),
        config=scientific_config(config),
        outcome=outcome,
        environment={**progress.sessions[-1], "earlier_sessions": progress.sessions[:-1]},
        fingerprints=task.dataset.fingerprints,
        final_metrics=_final_metrics(outcome, progress),
        update_scale=progress.last_scalars("update_scale"),
        update=OPTIMIZERS[config.optimizer.name].update,
        effective_decay=progress.last_scalars("effective_decay"),
        split_sizes={name: len(split) for name, split in task.dataset.splits.items()},
        timing={"wall_seconds": wall_seconds, "images_per_second": images / seconds if seconds else 0.0},
        parameters=sum(p.numel() for p in task.model.parameters()),
    )


def _arrays(progress: Progress) -> tuple[Arrays, Arrays]:
    """Curves and histograms in the store's format."""
    curves: Arrays = {name: np.array(values) for name, values in progress.curves.items()}
    drown_out = {
        group: [row["drown_out_share"] for row in rows]
        for group, rows in progress.scalars_of("effective_decay").items()
    }
    return curves, histogram_arrays(progress.histogram_epochs, progress.histogram_steps, progress.counts, drown_out)


def _train(config: RunConfig, dataset: Dataset, device: torch.device, store: Store, name: str) -> Record:
    started = time.perf_counter()
    with (
        start_tracker(config, store.root, name, len(dataset.train), describe(device)) as tracker,
        Reporter(name, config.training.epochs) as report,
    ):
        task = build_task(proven(config, dataset, device), dataset, device)
        trainer = Trainer(task, run_identity(config), store.checkpoint(name), tracker, report)
        beginning = f"resumes after step {trainer.steps_taken}" if trainer.steps_taken else "starts"
        store.note(name, f"{beginning} on {device}")
        if trainer.steps_taken:
            log.info("%s %s", name, beginning)
        outcome = trainer.train()
        if store.result(name) is not None:  # before another result is sent to wandb
            raise ResultExists(f"{name} has been recorded by another process")
        record = _record(config, trainer, outcome, time.perf_counter() - started)
        tracker.log_record(record)
    store.write(record, *_arrays(trainer.progress))
    store.remove_leftovers(name)
    store.note(name, describe_outcome(record))
    return record


def _failure(config: RunConfig, dataset: Dataset, name: str, error: Exception) -> Record:
    reason = "".join(traceback.format_exception(error))[-LONGEST_REASON:]
    return Record(
        identity=run_identity(config),
        name=name,
        config=scientific_config(config),
        outcome=Outcome("failed", 0, reason),
        environment=versions(),
        fingerprints=dataset.fingerprints,
        final_metrics={"final_test_error": None},
    )


class Finished(NamedTuple):
    """A run's record, and whether this call trained it or only found it."""

    record: Record
    trained: bool


def _found(store: Store, name: str) -> Finished | None:
    """The store's result of a run, if any."""
    record = store.result(name)
    if record is None:
        return None
    store.remove_leftovers(name)
    return Finished(record, trained=False)


def run(config: RunConfig) -> Finished:
    """Train a run, or return its record if it is in the store.

    Raises:
        ConfigError, DatasetError: the run is impossible; nothing was written.
        RunBusy: another process is training it, here or on another machine.
        Interrupted: a signal asked to stop; a checkpoint was saved, and running the same command again resumes from it.
        Exception: anything that failed; if possible a record with the outcome `failed` and the traceback was written,
            and running the same command again tries again.
    """
    validate(config)
    check_results_dir(config.results_dir)
    store = Store(config.results_dir)
    # An image folder's content is part of its runs' identity; all other identities are known without the data.
    if config.dataset.name != "image_folder" and (found := _found(store, run_name(config))) is not None:
        return found
    check_optimizers([config.optimizer])
    device = choose_device(config.device, config.precision)
    keep_freed_memory()
    dataset = load_data(config.dataset)
    config = resolve(config, dataset)
    name = run_name(config)
    # Checked before claiming, because a read-only store may have the result but cannot be claimed.
    if (found := _found(store, name)) is not None:
        return found
    with store.claim(name) as mine:
        if not mine:
            raise RunBusy(f"{name} is being trained by another process")
        # Checked again under the claim, because another process may have just finished it.
        if (found := _found(store, name)) is not None:
            return found
        store.prepare(name)
        try:
            return Finished(_train(config, dataset, device, store, name), trained=True)
        except ResultExists:
            # This process was suspended for so long that another took the run over and finished it.
            store.note(name, "another process finished it in the meantime; its result is kept")
            log.warning("another process finished %s in the meantime; its result is kept", name)
            found = _found(store, name)
            assert found is not None
            return found
        except Interrupted as request:
            store.note(name, f"interrupted by {request}; run the same command again to resume from its checkpoint")
            raise
        except Exception as error:
            store.note(name, "".join(traceback.format_exception(error)))
            try:
                with contextlib.suppress(ResultExists):  # a failure never replaces a result
                    store.write(_failure(config, dataset, name, error), {}, {})
            except (OSError, RecordError) as second:
                log.error("the failure of %s could not be recorded: %s", name, second)
            raise
