"""The training loop, compared with the specification as written a second time in `reference`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import Make
from training.reference import train, train_by_the_book

VARIANTS: dict[str, dict[str, Any]] = {
    "adam-l2": {"optimizer": "adaml2", "optimizer.weight_decay": 1e-2},
    "adamw, cosine": {"optimizer.weight_decay": 1e-2, "schedule": "cosine"},
    "loss times 100": {"optimizer": "adaml2", "optimizer.weight_decay": 0.1, "training.loss_multiplier": 100},
    "batch norm, flips": {
        "model.batch_norm": True,
        "dataset.horizontal_flip": True,
        "dataset.crop_padding": 2,
    },
    "another seed, betas and eps": {"seed": 7, "optimizer.betas": [0.5, 0.9], "optimizer.eps": 1e-3},
    "no crop, one batch": {"dataset.crop_padding": 0, "training.batch_size": 1000},
}


@pytest.mark.parametrize("runner", ["plain", "fast"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loop_trains_as_specified(variant: str, runner: str, tiny: Make, tmp_path: Path) -> None:
    config = tiny({"training.epochs": 3, "runner": runner, **VARIANTS[variant]})
    trainer, outcome = train(config, tmp_path / "checkpoint.pt")
    expected = train_by_the_book(config)
    assert (outcome.status, outcome.step) == ("completed", len(expected.losses))
    ours, theirs = trainer.task.model.state_dict(), expected.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-6)
    curves = trainer.progress.curves
    by_epoch = np.array(expected.losses).reshape(config.training.epochs, -1)
    np.testing.assert_allclose(curves["batch_loss"], by_epoch.mean(axis=1), rtol=1e-4)
    np.testing.assert_allclose(curves["train_loss"], expected.train_loss, rtol=1e-4)
    np.testing.assert_allclose(curves["test_loss"], expected.test_loss, rtol=1e-4)
    np.testing.assert_allclose(curves["test_error"], expected.test_error, atol=1e-9)
