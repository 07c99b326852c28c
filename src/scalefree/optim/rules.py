"""The paper's update rules as plain functions: section 1 of the specification, an equation a line.

Symbols: `x` parameters, `g` gradients, `m` and `v` Adam's moments, `alpha` the initial step size, `eta` in [0, 1] the
schedule (`lr = alpha * eta`), `lambda` the weight decay, all decay being multiplied by `eta` and never by
`alpha` (Loshchilov and Hutter's form). `p = m_hat / (sqrt(v_hat) + eps)` is the scale-free direction that all four
rules share; they differ only in how lambda enters.

Every function works in place on lists of tensors by torch's multi-tensor operations, so that one line of code serves
a list of layers and a single flat buffer alike. Step sizes, decays and counters may be tensors: nothing here reads
a value back from the device, so that a step can be captured or compiled once for all values.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

Tensors = list[Tensor]
Scalar = float | Tensor


def add_l2_gradient(x: Tensors, g: Tensors, weight_decay: Scalar) -> Tensors:
    """Adam-l2's gradient of f(x) + lambda/2 |x|^2: returns g + lambda x, leaving `g` as it is."""
    decay = torch._foreach_mul(x, weight_decay)
    torch._foreach_add_(decay, g)
    return list(decay)


def update_moments(m: Tensors, v: Tensors, g: Tensors, beta1: float, beta2: float) -> None:
    """m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2."""
    torch._foreach_lerp_(m, g, 1 - beta1)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, g, g, value=1 - beta2)


def denominator(v: Tensors, steps: Sequence[Tensor], beta2: float, eps: float) -> Tensors:
    """D = sqrt(v_hat) + eps with v_hat = v / (1 - beta2^t), in fresh tensors."""
    correction = [(1 - beta2**step) ** 0.5 for step in steps]
    d = list(torch._foreach_sqrt(v))
    torch._foreach_div_(d, correction)
    if eps:
        torch._foreach_add_(d, eps)
    return d


def direction(m: Tensors, d: Tensors, steps: Sequence[Tensor], beta1: float, eps: float) -> Tensors:
    """p = m_hat / D with m_hat = m / (1 - beta1^t), in fresh tensors.

    At eps = 0 the direction is 0 where D is 0: such a coordinate has never had a gradient whose square is a
    positive number, so nothing says how far to go.
    """
    correction = [1 - beta1**step for step in steps]
    p = list(torch._foreach_div(m, correction))
    torch._foreach_div_(p, d)
    if eps == 0:
        for p_i, d_i in zip(p, d, strict=True):
            p_i.masked_fill_(d_i == 0, 0)
    return p


def descend(x: Tensors, p: Tensors, lr: Scalar) -> None:
    """x <- x - eta alpha p; overwrites p."""
    torch._foreach_mul_(p, lr)
    torch._foreach_sub_(x, p)


def adam(x: Tensors, p: Tensors, lr: Scalar) -> None:
    """Adam-l2, whose decay has gone through the gradient already: x <- x - eta alpha p."""
    descend(x, p, lr)


def adamw(x: Tensors, p: Tensors, lr: Scalar, eta: Scalar, weight_decay: Scalar) -> None:
    """AdamW: x <- (1 - lambda eta) x - eta alpha p."""
    torch._foreach_mul_(x, 1 - weight_decay * eta)
    descend(x, p, lr)


def adamprox(x: Tensors, p: Tensors, lr: Scalar, eta: Scalar, weight_decay: Scalar) -> None:
    """AdamProx, the proximal step in the metric eta I: x <- (x - eta alpha p) / (1 + lambda eta)."""
    descend(x, p, lr)
    torch._foreach_div_(x, 1 + weight_decay * eta)


def adam_metric_prox(x: Tensors, p: Tensors, d: Tensors, lr: Scalar, weight_decay: Scalar, eps: float) -> None:
    """The prox in Adam's own metric: x <- (x - eta alpha p) / (1 + eta alpha lambda / D); overwrites D.

    Where D = 0 (only at eps = 0) the metric charges nothing for moving, and the prox of lambda/2 x^2 is 0 for
    lambda > 0 and x for lambda = 0: the smallest positive number in place of D gives both.
    """
    descend(x, p, lr)
    if eps == 0:
        torch._foreach_clamp_min_(d, torch.finfo(d[0].dtype).tiny)
    torch._foreach_reciprocal_(d)
    torch._foreach_mul_(d, weight_decay * lr)
    torch._foreach_add_(d, 1.0)
    torch._foreach_div_(x, d)
