"""The labels of runs in a list."""

import itertools

from scalefree.config import RunConfig, with_values
from scalefree.records import run_label
from scalefree.tracking.labels import labels

# The columns that wandb's viewer has for a label in a terminal of 200.
ROOM = 21


def slug(**values: object) -> str:
    return run_label(with_values(RunConfig(), {key.replace("__", "."): value for key, value in values.items()}))


def test_labels_contain_only_what_differs_with_the_seed_last() -> None:
    grid = itertools.product((1e-3, 2e-3), ("adaml2", "adamw"), (0, 1))
    slugs = [slug(optimizer__lr=lr, optimizer__name=name, seed=seed) for lr, name, seed in grid]
    assert labels(slugs)[:3] == ["adaml2 lr1e-3 s0", "adaml2 lr1e-3 s1", "adamw lr1e-3 s0"]


def test_the_labels_of_a_usual_sweep_are_distinct_and_fit() -> None:
    grid = itertools.product((0.0, 1e-4, 1e-3), ("adaml2", "adamw", "adam_metric_prox", "adam_scaled_l2"), (0, 1, 100))
    slugs = [slug(optimizer__weight_decay=decay, optimizer__name=name, seed=seed) for decay, name, seed in grid]
    made = labels(slugs)
    assert len(set(made)) == len(slugs)
    assert sum(len(label) > ROOM for label in made) <= 4, "only the longest names with three-digit seeds are cut"


def test_words_that_some_runs_lack_distinguish_them() -> None:
    slugs = [slug(), slug(optimizer__eps=1e-3), slug(model__depth=56), slug(model__batch_norm=False)]
    assert labels(slugs) == ["resnet20 bn", "resnet20 bn eps1e-3", "resnet56 bn", "resnet20 nobn"]


def test_single_or_equal_runs_keep_all_words() -> None:
    assert labels([slug()]) == ["adamw wd0 lr1e-3 digits resnet20 bn s0"]
    assert labels([slug(), slug()]) == labels([slug()]) * 2
    assert labels([]) == []


def test_an_unknown_optimizers_name_comes_first() -> None:
    runs = ["digits-resnet20-bn-NAdam-lr1e-3-wd0-seed0", "digits-resnet20-bn-adamw-lr1e-3-wd1e-4-seed0"]
    assert labels(runs) == ["NAdam wd0", "adamw wd1e-4"]
