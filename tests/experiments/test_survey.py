"""Surveys of any results: what varies, which cells are best, what is missing, and the table of it."""

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from report.hand_made import put
from report.hand_made import record as hand_made
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.experiments.grid import Cell
from scalefree.experiments.results import Result
from scalefree.experiments.survey import Survey, for_every_method, listed, results_of, survey
from scalefree.experiments.survey_table import short_table, table
from scalefree.records import Store, run_identity

SHARED = {"model.depth": 8, "model.width": 4, "model.batch_norm": False, "training.epochs": 2}
MISSING = object()


def result(error: Any, **values: Any) -> Result:
    """A run with this test error; None for a diverged run, MISSING for one without a result."""
    config = run_config({**SHARED, **{key.replace("__", "."): value for key, value in values.items()}})
    made = None if error is MISSING else hand_made(config, error)
    return Result(Cell(config, config, run_identity(config)), made)


def of(results: Iterable[Result], folder: Path = Path("nowhere")) -> Survey:
    return survey({"": results}, Store(folder))


def grid(depths: Iterable[int] = (8, 14)) -> list[Result]:
    """AdamW is best at 1e-3, Adam-l2 at 0; errors grow with depth and with the seed."""
    return [
        result(
            0.1 + 0.01 * depth + 0.02 * seed + (0.1 if (decay == 0) == (optimizer == "adamw") else 0.0),
            model__depth=depth, optimizer=optimizer, optimizer__weight_decay=decay, seed=seed,
        )
        for depth in depths for optimizer in ("adaml2", "adamw") for decay in (0.0, 1e-3) for seed in (0, 1)
    ]  # fmt: skip


def test_groups_runs_by_what_varies_and_collapses_seeds() -> None:
    found = of(grid())
    assert found.axes == ("model.depth", "optimizer", "optimizer.weight_decay")
    assert (found.series, found.across, found.tuned) == ("optimizer", ("model.depth",), ("optimizer.weight_decay",))
    assert len(found.cells) == 8 and all(len(point.results) == 2 for point in found.points)
    assert list(found.groups()) == [(8,), (14,)] and list(found.groups()[(8,)]) == ["adamw", "adaml2"]


def test_the_best_cell_of_each_depth_and_optimizer_is_marked() -> None:
    rows = table(of(grid())).splitlines()
    marked = {tuple(row.split()[:3]) for row in rows if row.endswith("<- best")}
    assert marked == {(d, *of) for d in ("8", "14") for of in (("AdamW", "1e-3"), ("Adam-l2", "0"))}
    assert "best: lowest mean test error over weight_decay, for each depth and optimizer" in table(of(grid()))


def test_the_table_shows_mean_standard_deviation_and_number_of_seeds() -> None:
    errors = [0.11, 0.14, 0.2]
    (row,) = [line for line in table(of(result(error, seed=s) for s, error in enumerate(errors))).splitlines()[1:2]]
    percents = [100 * error for error in errors]
    assert row.split() == [f"{statistics.mean(percents):.2f}", f"{statistics.stdev(percents):.2f}", "3", "0"]


def test_a_cell_with_a_diverged_run_is_never_best_and_counts_as_100_percent() -> None:
    results = [
        result(error, optimizer__lr=lr, seed=seed)
        for lr, errors in ((1e-3, (0.5, 0.5)), (1e-1, (0.1, None)))
        for seed, error in enumerate(errors)
    ]
    found = of(results)
    assert [cell.point.lr for cell in found.best_cells()] == [1e-3]
    rows = [row.split() for row in table(found).splitlines()]
    assert rows[2][:2] == ["1e-1", "55.00"] and rows[2][-1] == "1"
    assert "counts as an error of 100 %" in table(found)


def test_a_lucky_single_seed_is_not_the_best() -> None:
    results = [result(0.1, optimizer__lr=1e-2)] + [result(0.3, optimizer__lr=1e-3, seed=seed) for seed in (0, 1)]
    assert [cell.point.lr for cell in of(results).best_cells()] == [1e-3]
    assert "best: lowest mean test error over lr, among the cells with most seeds" in table(of(results))
    assert "most seeds" not in table(of(grid()))


def test_if_every_run_diverged_the_table_says_that_there_is_no_best() -> None:
    text = table(of(result(None, optimizer__lr=lr) for lr in (1.0, 2.0)))
    assert "best: none" in text and "<- best" not in text


def test_missing_runs_are_reported(tmp_path: Path) -> None:
    results = [result(0.2, seed=0), result(MISSING, seed=1), result(MISSING, seed=2)]
    failures = {results[2].cell.identity: "RuntimeError: full"}
    text = table(survey({"": results}, Store(tmp_path), failures))
    assert "missing: 2 of 3 runs have no result, 1 of which failed" in text and " 1 of 3 " in text
    assert "missing" not in table(of([result(0.2, seed=0), result(0.2, seed=1)]))


def test_the_table_lists_what_is_held_fixed() -> None:
    (line,) = [line for line in table(of(grid((8,)))).splitlines() if line.startswith("held fixed")]
    for said in ("depth 8", "width 4", "batch_norm false", "lr 1e-3", "epochs 2"):
        assert said in line
    assert "weight_decay" not in line and "optimizer" not in line and "eps" not in line


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("model.initialization", ("kaiming", "zero_last")),
        ("optimizer.eps", (1e-8, 1e-3)),
        ("schedule", ("constant", "cosine")),
        ("dataset.per_class", (10, 20)),
        ("training.histogram_epochs", ([1], [2])),
    ],
)
def test_any_key_may_vary(key: str, values: tuple[Any, ...]) -> None:
    found = of(result(0.2, **{key.replace(".", "__"): value}) for value in values)
    assert found.axes == (key,) and found.series == key and len(found.cells) == 2


def test_torch_optimizers_are_told_apart_by_target_and_arguments() -> None:
    def named(target: str, **arguments: Any) -> Result:
        chosen = {"optimizer__target": target, "optimizer__arguments": arguments}
        config = run_config({**SHARED, "optimizer": "torch", **{k.replace("__", "."): v for k, v in chosen.items()}})
        update = "the change of the parameters over alpha, decay included"
        return Result(Cell(config, config, run_identity(config)), hand_made(config, 0.2, update=update))

    found = of([named("torch.optim.SGD"), named("torch.optim.SGD", momentum=0.9), named("torch.optim.NAdam")])
    assert found.axes == ("optimizer",)
    assert {row.strip().rsplit("   ", 1)[0].split("  ")[0] for row in table(found).splitlines()[1:4]} == {
        "SGD", "SGD (momentum=0.9)", "NAdam"
    }  # fmt: skip


def test_a_run_without_decay_counts_for_every_method() -> None:
    results = [
        result(0.3, optimizer="adamw", optimizer__weight_decay=0.0),
        result(0.2, optimizer="adamw", optimizer__weight_decay=1e-3),
        result(0.1, optimizer="adaml2", optimizer__weight_decay=1e-3),
        # Another step size, without a run at zero decay.
        result(0.1, optimizer="adam_metric_prox", optimizer__weight_decay=1e-3, optimizer__lr=1e-2),
    ]
    found = of(for_every_method(results))
    assert {(c.point.optimizer, c.point.weight_decay) for c in found.cells if c.point.lr == 1e-3} == {
        ("adamw", 0.0), ("adamw", 1e-3), ("adaml2", 0.0), ("adaml2", 1e-3)
    }  # fmt: skip
    assert len(found.cells) == 5
    # A method's own run is kept if there is one.
    own = result(0.4, optimizer="adaml2", optimizer__weight_decay=0.0)
    assert len(for_every_method([*results, own])) == 5


def test_parts_are_compared_side_by_side() -> None:
    parts = {"[a]": [result(0.2, seed=seed) for seed in (0, 1)], "[b]": [result(0.3, optimizer="adaml2")]}
    found = survey(parts, Store("nowhere"))
    assert found.axes == ("part", "optimizer") and found.across == ()
    assert [row.split()[0] for row in table(found).splitlines()[1:3]] == ["[a]", "[b]"]


def test_a_parts_only_step_size_is_not_tuned() -> None:
    parts = {
        f"[optimizer.lr={lr:g}]": [
            result(0.2 + decay, optimizer__lr=lr, optimizer__weight_decay=decay) for decay in decays
        ]
        for lr, decays in ((1e-3, (1e-4, 1e-3)), (1e-1, (1e-4,)))
    }
    found = survey(parts, Store("nowhere"))
    assert found.tuned == ("optimizer.weight_decay",) and len(found.best_cells()) == 2
    # Combinations across parts were never asked for.
    assert found.lacking() == ""


def test_missing_combinations_are_counted() -> None:
    some = [
        result(0.2, model__depth=depth, optimizer=of) for depth, of in ((8, "adamw"), (14, "adaml2"), (14, "adamw"))
    ]
    assert "only 3 of the 4 combinations of depth and optimizer are here" in of(some).lacking()


def test_the_table_says_that_methods_without_decay_are_the_same_algorithm() -> None:
    assert "at weight_decay 0 AdamW and Adam-l2 are the same algorithm, Adam" in table(of(grid()))
    decayed = [one for one in grid() if one.config.optimizer.weight_decay]
    assert "same algorithm" not in table(of(decayed))


def test_a_long_table_is_cut_to_the_best_cells_and_names_the_full_one() -> None:
    found = of(result(0.2 + 1e-3 * k, optimizer__lr=1e-3 * (k + 1)) for k in range(90))
    assert len(short_table(found).splitlines()) < 8 and "table.txt" in short_table(found)
    assert len(table(found).splitlines()) > 90


def test_reads_results_and_failures_from_a_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    config: RunConfig = result(0.2).config
    put(store, hand_made(config))
    (found,), failures = results_of(store.records().values())
    assert found.record is not None and found.error("test") == 0.25 and failures == {}


def test_words_are_joined_with_commas_and_and() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed("abc")] == ["a", "a and b", "a, b and c"]
