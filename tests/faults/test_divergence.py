"""A loss that becomes NaN after a resumption is reported at its step, counted from the beginning of the run.

Runs that are not interrupted: tests/training/test_divergence.py.
"""

import math
import signal
from typing import Any

import pytest
from torch import Tensor, nn

from conftest import Make
from faults.journals import files_of, result, whole
from scalefree.models import resnet
from scalefree.records import Store
from scalefree.training import Interrupted, run


def disturb(patch: pytest.MonkeyPatch, *, nan: int, stop: int = 0) -> None:
    """Makes the logits of training step `nan` NaN, and raises SIGTERM during step `stop`, counted from now on."""
    taken = 0

    def disturbed(*arguments: Any, **named: Any) -> nn.Module:
        model = resnet(*arguments, **named)

        def spoil(module: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> Tensor:
            nonlocal taken
            taken += module.training
            if module.training and taken == stop:
                signal.raise_signal(signal.SIGTERM)
            return logits * math.nan if module.training and taken == nan else logits

        model.register_forward_hook(spoil)
        return model

    patch.setattr("scalefree.training.task.resnet", disturbed)


@pytest.mark.parametrize("runner", ["plain", "fast"])
@pytest.mark.parametrize(
    ("stop", "nan"),
    [(3, 4), (3, 7), (3, 10), (7, 8), (9, 14), (4, 3), (4, 4), (13, 8)],
    ids=lambda step: str(step),
)
def test_the_step_of_divergence_is_exact_despite_a_resumption(
    stop: int, nan: int, runner: str, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps 1 to 7 are the first epoch. A NaN loss before the checkpoint is saved in it."""
    alone = tiny({"runner": runner, "results_dir": tiny().results_dir + "-alone"})
    disturb(monkeypatch, nan=nan)
    run(alone)
    config = tiny({"runner": runner})
    disturb(monkeypatch, nan=nan, stop=stop)
    with pytest.raises(Interrupted):
        run(config)
    # The same step count continues in a newly built network.
    record = run(config).record
    assert (record.outcome.status, record.outcome.step) == ("diverged", nan)
    assert result(config) == result(alone)
    assert {len(curve) for curve in Store(config.results_dir).curves(record).values()} <= {(nan - 1) // 7}
    assert files_of(config.results_dir) == whole(config)
    monkeypatch.undo()
    assert not run(config).trained, "divergence is a result"
