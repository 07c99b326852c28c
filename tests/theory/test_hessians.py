"""Spectra, rotations and the effect of diagonal rescaling."""

import numpy as np
import pytest

from scalefree.theory.hessians import diagonal_hessian, rotated_hessian, unit_diagonal_condition


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e8])
def test_the_spectrum_is_the_same_in_every_rotation(condition: float) -> None:
    expected = np.logspace(-np.log10(condition), 0, 10)
    diagonal = diagonal_hessian(condition)
    np.testing.assert_allclose(np.diag(diagonal), expected, rtol=1e-12)
    assert np.count_nonzero(diagonal - np.diag(np.diag(diagonal))) == 0
    rotated = rotated_hessian(condition, seed=4)
    np.testing.assert_array_equal(rotated, rotated.T)
    np.testing.assert_allclose(np.linalg.eigvalsh(rotated), expected, rtol=1e-6, atol=1e-15)


def test_rotations_differ_by_seed_and_move_every_axis() -> None:
    first, again, other = (rotated_hessian(100.0, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05
    assert np.abs(first - np.diag(np.diag(first))).max(axis=1).min() > 0.01


def test_rescaling_solves_the_diagonal_problem_but_hardly_helps_a_rotated_one() -> None:
    assert unit_diagonal_condition(diagonal_hessian(1e8)) == pytest.approx(1, rel=1e-12)
    rotated = rotated_hessian(1e4, seed=0)
    least = unit_diagonal_condition(rotated)
    assert 1e3 < least < 1e4
    rng = np.random.default_rng(0)
    for spread in (0.1, 0.5, 2.0):
        scales = np.exp(spread * rng.standard_normal((200, 10)))
        best = min(np.linalg.cond(rotated * np.outer(scale, scale)) for scale in scales)
        assert best > least / 10


def test_the_condition_number_after_rescaling_matches_a_hand_calculation() -> None:
    hessian = np.array([[4.0, 1.0], [1.0, 1.0]])  # unit diagonal: off-diagonal 1/2, eigenvalues 1/2 and 3/2
    assert unit_diagonal_condition(hessian) == pytest.approx(3, rel=1e-12)


def test_impossible_problems_are_refused() -> None:
    with pytest.raises(ValueError, match=r"condition=0\.5"):
        diagonal_hessian(0.5)
    with pytest.raises(ValueError, match="condition=nan"):
        rotated_hessian(float("nan"), 0)
    with pytest.raises(ValueError, match="dimension=1"):
        diagonal_hessian(10.0, 1)
