"""Measure what an optimizer's weight decay does to the weights, without looking at source or documentation.

Gradients are fixed beforehand and do not depend on the weights. Two measurements:

- *A path.* Eight steps with decay are compared with eight steps of the same optimizer *without* decay, in which the
  decay is done by hand: lambda x is added to the gradient (coupled), or the weights are shrunk before or after every
  step (decoupled: by 1 - c; proximal: by 1 / (1 + c)), with c = lambda, lambda lr_t / lr_0, lambda lr_t or
  lambda lr_t^2 / lr_0. The step size falls along the way, so the four differ. Equal means equal to within 1e-6 of the
  decay's effect.
- *A step.* From a point reached without decay, one step is taken with it and one without; the difference is the share
  c of each weight that the decay takes. How c changes as one thing is changed at a time (the step size of that step,
  the initial one, the size of all gradients, lambda) shows what it depends on. This also finds the rule in cases where
  the path does not: if the update depends on the weights themselves (trust ratios, relative step sizes), or if the
  decay does not act in every step.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scalefree.theory.atlas_subjects import Subject
from scalefree.theory.walk import COORDINATES, Gradient, Walk, seeded

LR = 0.1
DECAY = 0.1
STEPS = 8
_SCHEDULE = tuple(0.5 ** (t // 2) for t in range(STEPS))
_EQUAL = 1e-6  # relative to the decay's effect; the rest is rounding, sometimes of bfloat16
_ROUNDING = 1e-12  # of a share, for weights down to a thousandth

NO_ARGUMENT = "none"
NO_EFFECT = "no effect"
COUPLED = "coupled"
UNIFORM = "decoupled, other factor"
MIXED = "mixed"

_Factor = Callable[[float, float, float], float]
_Shrink = Callable[[Tensor, float], Tensor]

# c as a function of lambda, lr_t and lr_0.
_FACTORS: dict[str, _Factor] = {
    "lambda": lambda decay, lr, first: decay,
    "lambda lr_t/lr_0": lambda decay, lr, first: decay * lr / first,
    "lambda lr_t": lambda decay, lr, first: decay * lr,
    "lambda lr_t^2/lr_0": lambda decay, lr, first: decay * lr * lr / first,
}
_SHRINK: dict[str, _Shrink] = {
    "decoupled": lambda x, c: (1 - c) * x,
    "proximal": lambda x, c: x / (1 + c),
}
KINDS = {
    NO_ARGUMENT: "it has no argument `weight_decay`",
    NO_EFFECT: "it has the argument, but the argument has no effect",
    COUPLED: "lambda x is added to the gradient: the l2 term",
    "decoupled, lambda": "x is multiplied by 1 - lambda, whatever the step size",
    "decoupled, lambda lr_t/lr_0": "x is multiplied by 1 - lambda lr_t/lr_0: the paper's AdamW",
    "decoupled, lambda lr_t": "x is multiplied by 1 - lambda lr_t: torch's AdamW",
    "decoupled, lambda lr_t^2/lr_0": "x is multiplied by 1 - lambda lr_t^2/lr_0: AdamC's, with `normalized=True`",
    "proximal, lambda": "x is divided by 1 + lambda",
    "proximal, lambda lr_t/lr_0": "x is divided by 1 + lambda lr_t/lr_0: the paper's AdamProx",
    "proximal, lambda lr_t": "x is divided by 1 + lambda lr_t",
    "proximal, lambda lr_t^2/lr_0": "x is divided by 1 + lambda lr_t^2/lr_0",
    "coupled = decoupled, lambda lr_t": "both: they are the same if a step is linear in the gradient and has no memory",
    UNIFORM: "all weights of a matrix shrink by the same share, and the next step does not remember it, but the share "
    "is none of those above; the powers say what it depends on",
    MIXED: "none of those above: the share differs from weight to weight or from step to step, or the optimizer's "
    "memory carries it over",
}


@dataclass(frozen=True)
class Decay:
    """The measurements; numbers that could not be measured are nan.

    Attributes:
        kind: a key of `KINDS`; "" if the weights do not stay finite.
        evidence: the measurement that decided, "path" or "step".
        share: c, the share of a weight that the decay takes in one step at lr = lambda = 0.1, on average.
        spread: standard deviation of c over the weights, relative to `share`.
        shape: "1 - c" if what is taken doubles with lambda, "1/(1 + c)" if one over what remains, minus 1, does;
            otherwise "neither".
        lr_power, first_lr_power, gradient_power: how c depends on lr_t, on lr_0, and on the size of all gradients.
        carried: "yes" if the next step, without decay and from the same weights, remembers it; otherwise "no".
        share_at_rest: the share of the weights' norm that a step takes if all gradients are 0.
    """

    kind: str
    evidence: str = ""
    share: float = math.nan
    spread: float = math.nan
    shape: str = ""
    lr_power: float = math.nan
    first_lr_power: float = math.nan
    gradient_power: float = math.nan
    carried: str = ""
    share_at_rest: float = math.nan


def _numbers() -> tuple[Tensor, Tensor, Tensor]:
    """The start, the gradients (one row per step, of size 0.1), and a curvature that never affects a gradient's
    value.
    """
    rng = np.random.default_rng(0)
    start, slope, noise = (rng.standard_normal(shape) for shape in (COORDINATES, COORDINATES, (STEPS + 1, COORDINATES)))
    gradients, curvature = 0.1 * (slope + 0.5 * noise), rng.uniform(0.5, 2.0, COORDINATES)
    return torch.from_numpy(start), torch.from_numpy(gradients), torch.from_numpy(curvature)


_START, _GRADIENTS, _CURVATURE = _numbers()


def _fixed(gradient: Tensor, l2: float = 0.0) -> Gradient:
    """The given gradient plus l2 times the weights, with a constant loss."""

    def at(x: Tensor) -> tuple[Tensor, Tensor]:
        # Zero, but with a derivative, for optimizers that estimate curvature.
        curvature = _CURVATURE * (x - x.detach())
        return gradient + l2 * x.detach() + curvature, torch.ones((), dtype=torch.float64)

    return at


def _path_end(
    subject: Subject,
    switches: Mapping[str, Any],
    decay: float,
    *,
    l2: float = 0.0,
    before: Callable[[Tensor, float], Tensor] | None = None,
    after: Callable[[Tensor, float], Tensor] | None = None,
    gradients: Tensor = _GRADIENTS,
    schedule: tuple[float, ...] = _SCHEDULE,
) -> Tensor:
    """The weights after `STEPS` steps; `before` and `after` map weights and lr_t to new weights around each."""
    with seeded(0):
        walk = Walk(
            subject.make(weight_decay=decay, **_rate(subject), **switches), _START, second_order=subject.second_order
        )
        for factor, gradient in zip(schedule, gradients[:-1], strict=True):
            lr = LR * factor
            walk.set(lr=lr)
            if before:
                walk.move_to(before(walk.position(), lr))
            walk.step(_fixed(gradient, l2))
            if after:
                walk.move_to(after(walk.position(), lr))
        return walk.position()


def _rate(subject: Subject, lr: float = LR) -> dict[str, float]:
    return {"lr": lr} if subject.takes("lr") else {}


def kind(subject: Subject, switches: Mapping[str, Any] | None = None) -> tuple[str, str]:
    """A key of `KINDS`, or "" if the weights do not stay finite, and the deciding measurement, "path" or "step".

    Args:
        switches: further arguments, such as `weight_decouple`.
    """
    switches = switches or {}
    if not subject.takes("weight_decay"):
        return NO_ARGUMENT, ""
    with_decay, without = (_path_end(subject, switches, decay) for decay in (DECAY, 0.0))
    effect = float((with_decay - without).norm())
    if not math.isfinite(effect):
        return "", ""
    if effect == 0:
        return NO_EFFECT, "path"

    def equal(end: Tensor) -> bool:
        return float((end - with_decay).norm()) <= _EQUAL * effect

    coupled = equal(_path_end(subject, switches, 0.0, l2=DECAY))
    for shape, shrink in _SHRINK.items():
        for name, factor in _FACTORS.items():

            def by_hand(x: Tensor, lr: float, shrink: _Shrink = shrink, factor: _Factor = factor) -> Tensor:
                return shrink(x, factor(DECAY, lr, LR))

            if equal(_path_end(subject, switches, 0.0, before=by_hand)) or equal(
                _path_end(subject, switches, 0.0, after=by_hand)
            ):
                return f"{COUPLED} = {shape}, {name}" if coupled else f"{shape}, {name}", "path"
    return (COUPLED, "path") if coupled else (_kind_of_a_step(subject, switches), "step")


def _kind_of_a_step(subject: Subject, switches: Mapping[str, Any]) -> str:
    once, twice = (_one_step(subject, switches, decay=decay, lr=LR / 2) for decay in (DECAY, 2 * DECAY))
    form = _form(once, twice)
    if form is None or once.carried:
        return MIXED
    shares = once.shares(form)
    for name, factor in _FACTORS.items():
        if torch.allclose(shares, shares.new_tensor(factor(DECAY, LR / 2, LR)), rtol=_EQUAL, atol=0.0):
            return f"{form.shape}, {name}"
    return UNIFORM


@dataclass(frozen=True)
class _Form:
    """A way to shrink weights x on their way to y, by c, before or after the update.

    Attributes:
        shares: computes c of each weight from x, y without decay, and y with decay.
    """

    shape: str
    shares: Callable[[Tensor, Tensor, Tensor], Tensor]


_FORMS = (
    _Form("decoupled", lambda x, y, decayed: (y - decayed) / x),
    _Form("decoupled", lambda x, y, decayed: 1 - decayed / y),
    _Form("proximal", lambda x, y, decayed: y / decayed - 1),
    _Form("proximal", lambda x, y, decayed: (y - decayed) / (x - y + decayed)),
)


@dataclass(frozen=True)
class _Step:
    """A step with decay and one without, both from `_START`.

    Attributes:
        carried: whether another step from `_START`, without decay in both cases, ends elsewhere.
    """

    with_decay: Tensor
    without: Tensor
    carried: bool

    def shares(self, form: _Form) -> Tensor:
        return form.shares(_START, self.without, self.with_decay)

    @property
    def mean_share(self) -> float:
        """The share of the weights that is taken, whatever the form: the change projected on the weights."""
        return float((self.without - self.with_decay) @ _START / (_START @ _START))


def _same(shares: Tensor, others: Tensor) -> bool:
    return torch.allclose(shares, others, rtol=_EQUAL, atol=_ROUNDING)


def _form(once: _Step, twice: _Step) -> _Form | None:
    """The form in which each matrix has a single share that doubles with lambda between these two steps.

    None if there is none, or if nothing was taken in this step.
    """
    half = COORDINATES // 2  # two matrices of one size
    for form in _FORMS:
        shares, doubled = once.shares(form), twice.shares(form)
        one_each = torch.cat([part.mean().expand(half) for part in torch.split(shares, half)])
        if shares.any() and _same(shares, one_each) and _same(doubled, 2 * shares):
            return form
    return None


def _one_step(
    subject: Subject,
    switches: Mapping[str, Any],
    *,
    decay: float = DECAY,
    first_lr: float = LR,
    lr: float = LR,
    size: float = 1.0,
) -> _Step:
    """After `STEPS` steps without decay at `first_lr`, back to the start, and a step at `lr` with decay or without."""

    def ends(last: float) -> tuple[Tensor, Tensor]:
        with seeded(0):
            # Created with decay, because some optimizers decide on creation whether they have it.
            make = subject.make(weight_decay=decay, **_rate(subject, first_lr), **switches)
            walk = Walk(make, _START, second_order=subject.second_order)
            walk.set(weight_decay=0.0)
            for gradient in _GRADIENTS[:-1]:
                walk.step(_fixed(size * gradient))
            found = []
            for now in (last, 0.0):
                walk.move_to(_START)
                walk.set(weight_decay=now, lr=lr)
                walk.step(_fixed(size * _GRADIENTS[-1]))
                found.append(walk.position())
            return found[0], found[1]

    (with_decay, then), (without, then_without) = ends(decay), ends(0.0)
    carried = float((then - then_without).norm()) > _EQUAL * float((with_decay - without).norm())
    return _Step(with_decay, without, carried)


def _power(more: float, less: float, ratio: float) -> float:
    return math.log(more / less) / math.log(ratio) if more > 0 and less > 0 else math.nan


def _shape(once: _Step, twice: _Step) -> str:
    """How the weights depend on lambda, from a step at lambda and one at 2 lambda, with a separate c per weight."""
    for form, name in ((_FORMS[0], "1 - c"), (_FORMS[2], "1/(1 + c)")):
        if _same(twice.shares(form), 2 * once.shares(form)):
            return name
    return "neither"


def _share_at_rest(subject: Subject) -> float:
    """1 - (|x_T| / |x~_T|)^(1/T) over T steps without gradients, x with decay and x~ without."""
    ends = [
        _path_end(subject, {}, decay, gradients=torch.zeros_like(_GRADIENTS), schedule=(1.0,) * STEPS)
        for decay in (DECAY, 0.0)
    ]
    ratio = float(ends[0].norm() / ends[1].norm())
    return 1 - ratio ** (1 / STEPS) if math.isfinite(ratio) else math.nan


def decay(subject: Subject) -> Decay:
    """Measure everything about a subject's decay, with its own arguments."""
    found, evidence = kind(subject)
    if found in (NO_ARGUMENT, NO_EFFECT, ""):
        return Decay(found)
    usual, twice = _one_step(subject, {}), _one_step(subject, {}, decay=2 * DECAY)
    form = _form(usual, twice)

    def share(step: _Step) -> float:
        return float(step.shares(form).mean()) if form else step.mean_share

    shares = usual.shares(form or _FORMS[0])
    return Decay(
        kind=found,
        evidence=evidence,
        share=share(usual),
        spread=float((shares - share(usual)).std(correction=0) / abs(share(usual))) if share(usual) else math.nan,
        shape=_shape(usual, twice),
        lr_power=_power(share(usual), share(_one_step(subject, {}, lr=LR / 2)), 2),
        first_lr_power=_power(share(_one_step(subject, {}, first_lr=2 * LR)), share(usual), 2),
        gradient_power=_power(share(_one_step(subject, {}, size=100)), share(_one_step(subject, {}, size=10)), 10),
        carried="yes" if usual.carried else "no",
        share_at_rest=_share_at_rest(subject),
    )
