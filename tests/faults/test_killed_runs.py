"""A run that is killed at any point and restarted: the same record, nothing left over, few steps repeated."""

import random
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, Make
from faults import injection
from faults.conftest import Train
from faults.injection import STEPS_PER_CHECKPOINT
from faults.journals import Attempt, Point, files_of, result, whole
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.records import Store, run_name
from training.reference import trainer_of

STEPS = 14


def part(points: list[Point], number: int) -> str:
    """The part of a run in which a point, counted from 1, lies."""
    last_evaluation = max(i for i, point in enumerate(points) if point.kind == "evaluation")
    if points[number - 1].kind in ("step", "evaluation"):
        return points[number - 1].kind
    return "record" if number > last_evaluation else "checkpoint"


class Undisturbed:
    """The run without a fault, and twenty random points of it, some in every part."""

    def __init__(self, config: RunConfig, attempt: Attempt) -> None:
        assert attempt.exit_code == 0 and attempt.steps == STEPS
        self.points = attempt.points
        self.result = result(config)
        self.files = files_of(config.results_dir)
        parts: dict[str, list[int]] = {}
        for number in range(1, len(self.points) + 1):
            parts.setdefault(part(self.points, number), []).append(number)
        rng = random.Random(2022)
        counts = {"step": 4, "evaluation": 2, "checkpoint": 6, "record": 8}
        self.deadly = [number for name, count in counts.items() for number in sorted(rng.sample(parts[name], count))]


@pytest.fixture(scope="module")
def undisturbed(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    config = run_config({**TINY, "model.batch_norm": True, "results_dir": str(folder / "results")})
    process = server.Process(target=injection.train, args=(config, folder / "journal", 0))
    process.start()
    process.join()
    return Undisturbed(config, Attempt(process.exitcode, folder / "journal"))


def test_the_points_cover_every_part_of_a_run(undisturbed: Undisturbed) -> None:
    kinds = {(point.kind, point.file) for point in undisturbed.points}
    for file in ("checkpoint.pt", "curves.npz", "histograms.npz", "record.json"):
        assert {(kind, file) for kind in ("write", "fsync", "replace", "replaced")} <= kinds
    assert {("step", ""), ("evaluation", ""), ("unlink", "checkpoint.pt")} <= kinds
    saves = [point for point in undisturbed.points if (point.kind, point.file) == ("replaced", "checkpoint.pt")]
    assert len(saves) == STEPS // STEPS_PER_CHECKPOINT
    assert len(set(undisturbed.deadly)) == 20


@pytest.mark.parametrize("place", range(20))
def test_a_killed_run_that_is_restarted_gives_the_same_record(
    place: int, undisturbed: Undisturbed, tiny: Make, train: Train
) -> None:
    config = tiny({"model.batch_norm": True})
    deadly = undisturbed.deadly[place]
    killed = train(config, deadly=deadly)
    assert killed.exit_code == -9 and len(killed.points) == deadly
    assert [(p.kind, p.file) for p in killed.points] == [(p.kind, p.file) for p in undisturbed.points[:deadly]]

    store, name = Store(config.results_dir), run_name(config)
    recorded = any((point.kind, point.file) == ("replaced", "record.json") for point in killed.points)
    assert (store.read(name) is not None) == recorded, "a run is done once its record is in place"
    (lost,) = killed.lost_steps
    assert lost <= STEPS_PER_CHECKPOINT
    checkpoint = store.directory(name) / "checkpoint.pt"
    if not recorded:
        assert trainer_of(config, checkpoint).steps_taken == killed.steps - lost

    again = train(config)
    assert again.exit_code == 0 and again.steps == (0 if recorded else STEPS - killed.steps + lost)
    assert result(config) == undisturbed.result
    assert files_of(config.results_dir) == whole(config) == undisturbed.files


def test_a_run_that_is_killed_repeatedly_still_finishes(undisturbed: Undisturbed, tiny: Make, train: Train) -> None:
    """Each attempt is killed after the same number of points: some steps are repeated, but the run progresses."""
    config = tiny({"model.batch_norm": True})
    attempts = [train(config, deadly=22)]
    while attempts[-1].exit_code == -9:
        attempts.append(train(config, deadly=22))
    assert attempts[-1].exit_code == 0 and len(attempts) >= 3
    assert sum(attempt.steps for attempt in attempts) == STEPS + sum(sum(a.lost_steps) for a in attempts[:-1])
    assert result(config) == undisturbed.result
    assert files_of(config.results_dir) == whole(config)
    assert not list(Path(config.results_dir, "locks").iterdir())
