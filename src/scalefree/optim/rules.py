"""The update rules as plain functions, one equation per line (sections 2 and 3 of the paper).

Symbols: `x` parameters, `g` gradients, `m` and `v` Adam's moments, `t` steps taken (including this one), alpha
the initial step size, eta in [0, 1] the schedule (lr = eta alpha), lambda the weight decay, and

    m_hat = m / (1 - beta1^t)    v_hat = v / (1 - beta2^t)    D = sqrt(v_hat) + eps    p = m_hat / D

The decay of AdamW and AdamProx is lambda eta; it is not multiplied by alpha (Loshchilov and Hutter's form).

`x`, `g`, `m`, `v`, `u` and `t` are lists of real tensors on one device; all but `t` share a dtype, `t` holds a
0-dim float64 counter for each parameter. `x` and the buffers are updated in place by torch's multi-tensor
operations, so one line works for a list of layers and a single flat buffer alike, with the same numbers element by
element. No value is read back from the device, so a step can be compiled or captured once for all values of a tensor lr
or lambda. lambda = 0 is not a special case and need not be one: on finite parameters all rules are then bit-identical.

D can be 0 if eps = 0 or the dtype is too coarse for eps, when the gradient was always 0 or v underflowed. Then p is 0,
whatever m is.
"""

import math
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Tensors = list[Tensor]
Scalar = float | Tensor


class Hyperparameters(NamedTuple):
    """A parameter group's settings for the update; any tensors are 0-dim and on the group's device."""

    lr: Scalar
    initial_lr: Scalar
    betas: tuple[float, float]
    eps: float
    weight_decay: Scalar
    granularity: str = "coordinate"

    @property
    def eta(self) -> Scalar:
        """The schedule, eta = lr / alpha."""
        return self.lr / self.initial_lr


class Rule(Protocol):
    """A rule takes parameters, gradients, its buffers (m and v for most), the counters and the hyperparameters."""

    __name__: str

    def __call__(self, x: Tensors, g: Tensors, /, *buffers_t_h: Any) -> None: ...


class Reading(Protocol):
    """Something read off a rule's buffers after a step, in new tensors shaped like the parameters."""

    def __call__(self, /, *buffers_t_h: Any) -> Tensors: ...


def adaml2(x: Tensors, g: Tensors, m: Tensors, v: Tensors, t: Tensors, h: Hyperparameters) -> None:
    """Adam-l2: g <- g + lambda x before both moments; x <- x - eta alpha p."""
    update_moments(m, v, add_l2_gradient(x, g, h.weight_decay), h.betas)  # g <- g + lambda x
    descend(x, m, inverse_metric(v, t, h.betas[1], h.eps), t, h)  # x <- x - eta alpha p


def adamw(x: Tensors, g: Tensors, m: Tensors, v: Tensors, t: Tensors, h: Hyperparameters) -> None:
    """AdamW: x <- (1 - lambda eta) x - eta alpha p."""
    update_moments(m, v, g, h.betas)
    torch._foreach_mul_(x, 1 - h.weight_decay * h.eta)  # x <- (1 - lambda eta) x
    descend(x, m, inverse_metric(v, t, h.betas[1], h.eps), t, h)  # x <- x - eta alpha p


def adamprox(x: Tensors, g: Tensors, m: Tensors, v: Tensors, t: Tensors, h: Hyperparameters) -> None:
    """AdamProx: x <- (x - eta alpha p) / (1 + lambda eta).

    The minimiser over y of eta lambda/2 |y|^2 + 1/2 |y - (x - eta alpha p)|^2.
    """
    update_moments(m, v, g, h.betas)
    descend(x, m, inverse_metric(v, t, h.betas[1], h.eps), t, h)  # x <- x - eta alpha p
    torch._foreach_div_(x, 1 + h.weight_decay * h.eta)  # x <- x / (1 + lambda eta)


def adam_metric_prox(x: Tensors, g: Tensors, m: Tensors, v: Tensors, t: Tensors, h: Hyperparameters) -> None:
    """The prox in Adam's own metric: x <- (x - eta alpha p) / (1 + eta alpha lambda / D).

    The minimiser over y of eta alpha lambda/2 |y|^2 + 1/2 |y - (x - eta alpha p)|_D^2 (Schaipp 2023, "Decay
    No More", calls it AdamP). Where D = 0 the limit is taken: moving costs nothing, so x becomes 0 for
    eta alpha lambda > 0 and stays for eta alpha lambda = 0.
    """
    update_moments(m, v, g, h.betas)
    descend(x, m, inverse_metric(v, t, h.betas[1], h.eps), t, h)  # x <- x - eta alpha p
    shrink = inverse_metric(v, t, h.betas[1], h.eps)  # recomputed, because keeping a second buffer costs more
    torch._foreach_mul_(shrink, h.lr * h.weight_decay)
    torch._foreach_add_(shrink, 1)  # 1 + eta alpha lambda / D
    if _can_vanish(h.eps, shrink):
        for factor in shrink:
            factor.nan_to_num_(nan=1.0, posinf=math.inf)  # 1 + 0 / 0 becomes 1; 1 + lambda / 0 stays inf
    torch._foreach_div_(x, shrink)  # x <- x / (1 + eta alpha lambda / D)


def adam_scaled_l2(x: Tensors, g: Tensors, m: Tensors, v: Tensors, u: Tensors, t: Tensors, h: Hyperparameters) -> None:
    """Scaled Adam-l2: g <- g + (lambda / alpha) s x before both moments, s = sqrt(u_hat); x <- x - eta alpha p.

    `u` is the second moment of the loss gradient g alone. The decay passes through both moments as in Adam-l2, but it
    scales with the gradient, so the rule is scale-free at eps = 0. Divided by sqrt(v_hat), it moves x by about lambda
    eta x per step, so lambda is comparable to AdamW's.
    """
    update_second_moment(u, g, h.betas[1])
    penalty = list(torch._foreach_mul(gradient_scale(u, t, h), x))  # s x
    torch._foreach_mul_(penalty, h.weight_decay / h.initial_lr)  # (lambda / alpha) s x
    torch._foreach_add_(penalty, g)  # g <- g + (lambda / alpha) s x
    update_moments(m, v, penalty, h.betas)
    descend(x, m, inverse_metric(v, t, h.betas[1], h.eps), t, h)  # x <- x - eta alpha p


def gradient_scale(u: Tensors, t: Tensors, h: Hyperparameters) -> Tensors:
    """s: sqrt(u_hat) of each coordinate, or its root mean square over a layer or over all layers (then 0-dim).

    A layer is one tensor of the list. A scale that overflowed counts as 0, so there is no decay where p is 0 too.
    """
    correction = 1 - h.betas[1] ** torch.stack(t)
    if h.granularity == "coordinate":
        scale = list(torch._foreach_sqrt(u))
        torch._foreach_mul_(scale, _scalars(correction.rsqrt(), u))
    else:
        # Summed in float64, so that the layout of a layer in memory does not matter.
        sums = torch.stack([layer.sum(dtype=torch.float64) for layer in u]) / correction
        if h.granularity == "layer":
            squares = torch.stack([total / layer.numel() for total, layer in zip(sums, u, strict=True)])
        else:
            squares = (sums.sum() / sum(layer.numel() for layer in u)).expand(len(u))
        scale = _scalars(squares.sqrt(), u)
    return [torch.nan_to_num(s, nan=math.nan, posinf=0.0) for s in scale]


def add_l2_gradient(x: Tensors, g: Tensors, weight_decay: Scalar) -> Tensors:
    """Gradient of f(x) + lambda/2 |x|^2: g + lambda x in new tensors."""
    decayed = list(torch._foreach_mul(x, weight_decay))
    torch._foreach_add_(decayed, g)
    return decayed


def update_moments(m: Tensors, v: Tensors, g: Tensors, betas: tuple[float, float]) -> None:
    """m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2."""
    torch._foreach_lerp_(m, g, 1 - betas[0])
    update_second_moment(v, g, betas[1])


def update_second_moment(v: Tensors, g: Tensors, beta2: float) -> None:
    """v <- beta2 v + (1 - beta2) g^2."""
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, g, g, value=1 - beta2)


def inverse_metric(v: Tensors, t: Tensors, beta2: float, eps: float) -> Tensors:
    """1 / D = 1 / (sqrt(v_hat) + eps) in new tensors, the only ones in most rules; inf where D = 0."""
    inverse = list(torch._foreach_sqrt(v))
    torch._foreach_mul_(inverse, _scalars((1 - beta2 ** torch.stack(t)).rsqrt(), v))  # sqrt(v_hat)
    torch._foreach_add_(inverse, eps)  # D
    torch._foreach_reciprocal_(inverse)  # in place, because m / D would need as much memory again
    return inverse


def descend(x: Tensors, m: Tensors, inverse: Tensors, t: Tensors, h: Hyperparameters) -> None:
    """x <- x - eta alpha p, given 1 / D, which is overwritten."""
    _multiply_by_moment(inverse, m, h.eps)  # m / D
    step_size = h.lr / (1 - h.betas[0] ** torch.stack(t))  # eta alpha / (1 - beta1^t)
    torch._foreach_addcmul_(x, inverse, _scalars(step_size, x), value=-1)  # x <- x - eta alpha m_hat / D


def direction(m: Tensors, v: Tensors, t: Tensors, h: Hyperparameters) -> Tensors:
    """p = m_hat / (sqrt(v_hat) + eps), the update without its step size.

    From an optimizer's state after a step (`exp_avg`, `exp_avg_sq`, `step`) this is the p of that step to
    rounding; |eta p| is the |update|/alpha of the paper's histograms. Every counter must be at least 1.
    Complex moments are passed as `torch.view_as_real` of them.
    """
    p = inverse_metric(v, t, h.betas[1], h.eps)
    _multiply_by_moment(p, m, h.eps)  # m / D
    torch._foreach_mul_(p, _scalars(1 / (1 - h.betas[0] ** torch.stack(t)), m))  # m_hat / D
    return p


def scaled_direction(m: Tensors, v: Tensors, u: Tensors, t: Tensors, h: Hyperparameters) -> Tensors:
    """`direction`, for a rule that also keeps u."""
    return direction(m, v, t, h)


def uniform_decay(m: Tensors, v: Tensors, t: Tensors, h: Hyperparameters) -> Tensors:
    """1: AdamW and AdamProx decay every coordinate by lambda eta per step, to first order."""
    return [torch.ones_like(moment) for moment in v]


def metric_decay(m: Tensors, v: Tensors, t: Tensors, h: Hyperparameters) -> Tensors:
    """alpha / D: Adam-l2 and the metric prox decay a coordinate by eta alpha lambda / D per step, to first order.

    In units of lambda eta, like the other decays. inf where D = 0.
    """
    decay = inverse_metric(v, t, h.betas[1], h.eps)
    torch._foreach_mul_(decay, h.initial_lr)
    return decay


def scaled_decay(m: Tensors, v: Tensors, u: Tensors, t: Tensors, h: Hyperparameters) -> Tensors:
    """s / D: scaled Adam-l2's decay per step in units of lambda eta, to first order."""
    decay = inverse_metric(v, t, h.betas[1], h.eps)
    torch._foreach_mul_(decay, gradient_scale(u, t, h))
    return decay


def _can_vanish(eps: float, like: Tensors) -> bool:
    """Whether D = sqrt(v_hat) + eps may be 0, or so small that 1 / D is infinite in these tensors' dtype."""
    return eps * torch.finfo(like[0].dtype).max < 1


def _multiply_by_moment(inverse: Tensors, m: Tensors, eps: float) -> None:
    """m / D in place of 1 / D, and 0 where D = 0."""
    if _can_vanish(eps, inverse):
        for factor in inverse:
            factor.masked_fill_(factor == math.inf, 0)  # D = 0, because no positive sqrt(v) has an infinite inverse
    torch._foreach_mul_(inverse, m)


def _scalars(values: Tensor, like: Tensors) -> Tensors:
    """A 1-d float64 tensor as 0-dim tensors of the dtype of `like`, in a single conversion."""
    return list(values.to(like[0].dtype).unbind())
