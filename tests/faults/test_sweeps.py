"""A sweep that is killed ten times, and two sweeps at once on one store."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY
from faults import injection
from faults.conftest import Train
from faults.injection import STEPS_PER_CHECKPOINT
from faults.journals import Attempt, files_of, result, whole
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.records import run_label

RUNS, STEPS = 6, 14


def configs_in(results: Path) -> list[RunConfig]:
    """Six runs; the last diverges, which is a result like any other."""
    of_sweep = [{"seed": seed} for seed in range(4)] + [{"model.batch_norm": True}]
    diverging = {"optimizer": "adaml2", "optimizer.lr": 1e12}
    return [run_config({**TINY, "results_dir": str(results), **values}) for values in [*of_sweep, diverging]]


@pytest.fixture(scope="module")
def alone(server: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], Attempt]:
    """The results of the sweep without a fault, and its journal."""
    folder = tmp_path_factory.mktemp("alone")
    configs = configs_in(folder / "results")
    process = server.Process(target=injection.train_all, args=(configs, 1, folder / "journal", 0))
    process.start()
    process.join()
    attempt = Attempt(process.exitcode, folder / "journal")
    assert attempt.exit_code == 0
    return [result(config) for config in configs], attempt


def assert_finished(configs: list[RunConfig], expected: list[dict[str, Any]]) -> None:
    """The store has the undisturbed sweep's records, bit for bit, and no checkpoint, lock or partial file."""
    assert [result(config) for config in configs] == expected
    assert files_of(configs[0].results_dir) == set().union(*map(whole, configs))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_sweep_that_is_killed_ten_times_still_finishes(
    seed: int, alone: tuple[list[dict[str, Any]], Attempt], tmp_path: Path, train: Train
) -> None:
    """Two workers; the parent and both die at once, wherever they are when one reaches the chosen point."""
    expected, undisturbed = alone
    rng = random.Random(seed)
    deadly = [rng.randrange(8, 40) for _ in range(10)]
    assert sum(deadly) < len(undisturbed.points), "so that each attempt reaches its point"
    configs = configs_in(tmp_path / "results")
    killed = [train(configs, deadly=number, jobs=2) for number in deadly]
    assert [attempt.exit_code for attempt in killed] == [-9] * 10
    last = train(configs, jobs=2)
    assert last.exit_code == 0
    assert_finished(configs, expected)
    lost = [steps for attempt in killed for steps in attempt.lost_steps]
    assert max(lost) <= STEPS_PER_CHECKPOINT
    taken = sum(attempt.steps for attempt in [*killed, last])
    assert undisturbed.steps <= taken <= undisturbed.steps + sum(lost)


def test_two_sweeps_at_once_train_every_run_once(
    alone: tuple[list[dict[str, Any]], Attempt], tmp_path: Path, start: Callable[..., tuple[Any, Path]]
) -> None:
    expected, undisturbed = alone
    configs = configs_in(tmp_path / "results")
    started = [start(injection.train_all, configs, 1) for _ in range(2)]
    for process, _ in started:
        process.join()
    attempts = [Attempt(process.exitcode, journal) for process, journal in started]
    assert [attempt.exit_code for attempt in attempts] == [0, 0]
    assert_finished(configs, expected)
    assert sum(attempt.steps for attempt in attempts) == undisturbed.steps
    told = [
        line.split(" ", 1) for _, journal in started for line in journal.with_suffix(".summary").read_text().split("\n")
    ]
    ends = [label for label, ending in told if ending in ("trained", "diverged")]
    assert len(told) == 2 * RUNS
    assert sorted(ends) == sorted(run_label(config) for config in configs)
    assert {ending for _, ending in told} <= {"trained", "diverged", "already done"}
