"""Hessians with a given condition number: diagonal, or with the same spectrum along random axes."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIMENSION = 10


def diagonal_hessian(condition: float, dimension: int = DIMENSION) -> Floats:
    """diag(1 / condition, ..., 1), equally spaced on a log axis: L = 1 and mu = 1 / condition.

    Raises:
        ValueError: a condition number below 1, or fewer than 2 dimensions.
    """
    if not 1 <= condition < np.inf:
        raise ValueError(f"condition={condition} must be finite and at least 1")
    if dimension < 2:
        raise ValueError(f"dimension={dimension} must be at least 2, to have a largest and a smallest eigenvalue")
    return np.diag(np.geomspace(1 / condition, 1, dimension))


def rotated_hessian(condition: float, seed: int, dimension: int = DIMENSION) -> Floats:
    """Q diag Q^T with Q uniform among the orthogonal matrices and the spectrum of `diagonal_hessian`."""
    normal = np.random.default_rng(seed).standard_normal((dimension, dimension))
    q, r = np.linalg.qr(normal)
    q *= np.sign(np.diag(r))  # without this the distribution depends on the sign convention of QR
    rotated: Floats = q @ diagonal_hessian(condition, dimension) @ q.T
    return (rotated + rotated.T) / 2


def unit_diagonal_condition(hessian: Floats) -> float:
    """Condition number after the diagonal rescaling S H S that makes the diagonal 1.

    No diagonal rescaling is better by more than a factor of the dimension (van der Sluis, 1969), so this shows how much
    scale-freeness can help when H is not diagonal.
    """
    scale = 1 / np.sqrt(np.diag(hessian))
    return float(np.linalg.cond(hessian * np.outer(scale, scale)))
