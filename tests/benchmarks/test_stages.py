"""Trainings that take turns in one process, as in the benchmark: each gives what it gives alone."""

import itertools
from pathlib import Path

import pytest
import torch

from benchmarks.stages import LATER, SMALL_FAST, SMALL_PLAIN, Stage, endless, in_turn, prepare, withheld
from conftest import Make
from scalefree.training.fast import speedups
from scalefree.training.fast.cast_once import CastOnce
from scalefree.training.task import Task, build_task, load_data
from training.test_runners import DEVICES


def states(task: Task) -> list[torch.Tensor]:
    """Weights, buffers, moments and counters."""
    moments = [tensor for state in task.optimizer.state.values() for tensor in state.values()]
    return [*task.model.state_dict().values(), *moments]


@pytest.mark.parametrize("device", DEVICES)
def test_interleaved_trainings_equal_separate_ones_even_beside_a_diverged_one(device: str, tiny: Make) -> None:
    def made() -> list[Task]:
        different = [{"seed": 1}, {"optimizer.lr": 1e30}, {"seed": 2, "model.batch_norm": True}]
        configs = [tiny({**values, "device": device}) for values in different]
        return [build_task(config, load_data(config.dataset), torch.device(device)) for config in configs]

    alone, together = made(), made()
    for task in alone:
        list(itertools.islice(in_turn([endless(task, captured=True)], task.device), 9))
    trainings = [endless(task, captured=True) for task in together]
    list(itertools.islice(in_turn(trainings, torch.device(device)), 9))
    if device == "cuda":
        torch.cuda.synchronize()
    assert not all(tensor.isfinite().all() for tensor in states(together[1]))
    for found, expected in zip(together, alone, strict=True):
        for ours, theirs in zip(states(found), states(expected), strict=True):
            assert torch.equal(ours.nan_to_num(), theirs.nan_to_num())


@pytest.mark.parametrize("stage", [SMALL_PLAIN, SMALL_FAST], ids=lambda stage: stage.name)
def test_small_image_stages_train_on_digits(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.stages.keep_freed_memory", lambda: None)  # this process is not the benchmark's
    measure, model = prepare(stage, tmp_path, 8, 16, torch.device("cpu"))
    assert next(iter(model.parameters())).shape == (8, 1, 3, 3) and measure(1) > 0


def test_images_made_per_batch_equal_those_made_per_epoch(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.stages.captures", lambda config, device: True)
    config = tiny({})
    tasks = [build_task(config, load_data(config.dataset), torch.device("cpu")) for _ in range(2)]
    for task, without in zip(tasks, ((), LATER), strict=True):
        list(itertools.islice(endless(task, captured=True, without=without), 2 * len(task.batches) + 1))
    assert all(torch.equal(found, expected) for found, expected in zip(*map(states, tasks), strict=True))


def test_withheld_speedups_are_restored_afterwards(tiny: Make) -> None:
    config = tiny({"precision": "bf16"})
    given = dict(vars(speedups))
    with withheld(LATER):
        without = build_task(config, load_data(config.dataset), torch.device("cpu"))
        assert not speedups.use_fused_sums(without.model)
        assert speedups.WholeDevice is not given["WholeDevice"]
    assert dict(vars(speedups)) == given
    assert without.forward is without.model
    assert isinstance(build_task(config, load_data(config.dataset), torch.device("cpu")).forward, CastOnce)
