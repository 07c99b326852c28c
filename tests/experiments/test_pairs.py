"""Arithmetic on values by seed."""

import pytest

from scalefree.experiments.pairs import SeedValues


def test_only_seeds_that_both_sides_have_are_kept() -> None:
    a, b = SeedValues({0: 1.0, 2: 5.0, 1: 3.0}), SeedValues({2: 1.0, 3: 9.0, 0: 0.25})
    assert a - b == {0: 0.75, 2: 4.0} and a + b == {0: 1.25, 2: 6.0}
    assert list(a - b) == [0, 2], "in seed order"
    assert (a - b) / 2 == {0: 0.375, 2: 2.0} and abs(b - a) == {0: 0.75, 2: 4.0}
    assert a - SeedValues() == {}


def test_results_are_seed_values_too() -> None:
    a = SeedValues({0: 1.0, 1: -3.0})
    for result in (a + a, a - a, a / 2, abs(a), (a - a) / 2 + abs(a)):
        assert isinstance(result, SeedValues)
    assert (abs(a) + a / 2).mean == pytest.approx(1.5) and a.mean == -1.0
