"""Kinds of decay, for optimizers written here with known decays, and for torch's and ours."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from scalefree import optim
from scalefree.theory.atlas_decay import (
    COUPLED,
    KINDS,
    MIXED,
    NO_ARGUMENT,
    NO_EFFECT,
    UNIFORM,
    decay,
    kind,
)
from scalefree.theory.atlas_subjects import OURS, TORCH, Subject, named

# x, the step, lambda, lr_t, lr_0 and the number of steps taken before -> the new x
Rule = Callable[[Tensor, Tensor, float, float, float, int], Tensor]


class Toy(torch.optim.Optimizer):
    """Momentum normalised by the gradients' size, with a decay defined by a subclass."""

    rule: Rule

    def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.first = lr
        self.taken = 0

    def gradient(self, x: Tensor, gradient: Tensor, decay: float) -> Tensor:
        return gradient

    def behind(self, x: Tensor, decay: float) -> Tensor:
        return torch.zeros_like(x)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                momentum = state.setdefault("momentum", torch.zeros_like(p))
                gradient = self.gradient(p, p.grad, group["weight_decay"])
                momentum.mul_(0.9).add_(
                    gradient / (gradient.abs().mean() + 1e-9) + self.behind(p, group["weight_decay"])
                )
                step = group["lr"] * momentum
                p.copy_(self.rule(p, step, group["weight_decay"], group["lr"], self.first, self.taken))
        self.taken += 1


def toy(rule: Rule) -> Subject:
    return Subject("", type("Toy", (Toy,), {"rule": staticmethod(rule), "__init__": Toy.__init__}))


PLAIN: Rule = lambda x, step, c, lr, first, t: x - step  # noqa: E731
RULES: dict[str, list[Rule]] = {
    "decoupled, lambda": [lambda x, step, d, lr, first, t: (1 - d) * x - step],
    "decoupled, lambda lr_t": [
        lambda x, step, d, lr, first, t: (1 - d * lr) * x - step,
        lambda x, step, d, lr, first, t: (1 - d * lr) * (x - step),
    ],
    "decoupled, lambda lr_t/lr_0": [lambda x, step, d, lr, first, t: (1 - d * lr / first) * x - step],
    "decoupled, lambda lr_t^2/lr_0": [lambda x, step, d, lr, first, t: (1 - d * lr**2 / first) * x - step],
    "proximal, lambda": [lambda x, step, d, lr, first, t: (x - step) / (1 + d)],
    "proximal, lambda lr_t": [
        lambda x, step, d, lr, first, t: (x - step) / (1 + d * lr),
        lambda x, step, d, lr, first, t: x / (1 + d * lr) - step,
    ],
    "proximal, lambda lr_t/lr_0": [lambda x, step, d, lr, first, t: (x - step) / (1 + d * lr / first)],
    "proximal, lambda lr_t^2/lr_0": [lambda x, step, d, lr, first, t: (x - step) / (1 + d * lr**2 / first)],
}


@pytest.mark.parametrize("expected", RULES)
def test_a_rule_is_recognised_from_its_path(expected: str) -> None:
    for rule in RULES[expected]:
        assert kind(toy(rule)) == (expected, "path")


# The step depends on the weights, so no path without decay can be made to agree.
SCALED: dict[str, Rule] = {
    "decoupled, lambda lr_t": lambda x, step, d, lr, first, t: (1 - d * lr) * x - x.norm() * step,
    "decoupled, lambda": lambda x, step, d, lr, first, t: (1 - d) * x - x.norm() * step,
    "proximal, lambda lr_t/lr_0": lambda x, step, d, lr, first, t: x / (1 + d * lr / first) - x.norm() * step,
}


@pytest.mark.parametrize("expected", SCALED)
def test_a_rule_whose_step_depends_on_the_weights_is_recognised_from_a_step(expected: str) -> None:
    assert kind(toy(SCALED[expected])) == (expected, "step")


def test_a_decay_that_starts_later_is_recognised_from_a_step() -> None:
    late: Rule = lambda x, step, d, lr, first, t: (1 - d * lr * (t >= 5)) * x - step  # noqa: E731
    assert kind(toy(late)) == ("decoupled, lambda lr_t", "step")


def test_other_uniform_factors_are_reported_with_their_powers() -> None:
    def root(x: Tensor, step: Tensor, d: float, lr: float, first: float, t: int) -> Tensor:
        return (1 - 0.3 * d * lr**0.5 * first**2) * x - step

    found = decay(toy(root))
    assert (found.kind, found.evidence, found.shape, found.carried) == (UNIFORM, "step", "1 - c", "no")
    assert found.share == pytest.approx(0.3 * 0.1 * 0.1**0.5 * 0.1**2, rel=1e-9)
    assert found.spread == pytest.approx(0, abs=1e-9)
    powers = found.lr_power, found.first_lr_power, found.gradient_power
    assert powers == pytest.approx((0.5, 2, 0), abs=1e-6)


def test_shares_that_differ_between_weights_are_mixed() -> None:
    def larger_more(x: Tensor, step: Tensor, d: float, lr: float, first: float, t: int) -> Tensor:
        return x / (1 + d * lr * x.abs()) - step

    assert decay(toy(larger_more)).kind == MIXED

    def by_gradient(x: Tensor, step: Tensor, d: float, lr: float, first: float, t: int) -> Tensor:
        return (x - step) / (1 + d * lr / step.abs())

    found = decay(toy(by_gradient))
    assert (found.kind, found.shape) == (MIXED, "1/(1 + c)")


class Coupled(Toy):
    rule = staticmethod(PLAIN)

    def gradient(self, x: Tensor, gradient: Tensor, decay: float) -> Tensor:
        return gradient + decay * x


class InMomentum(Toy):
    """Adds lambda x to the momentum after the normalisation: one share for all weights, but carried over."""

    rule = staticmethod(PLAIN)

    def behind(self, x: Tensor, decay: float) -> Tensor:
        return decay * x


class Ignoring(Toy):
    rule = staticmethod(PLAIN)


def test_decay_through_the_gradient_is_coupled_or_mixed() -> None:
    found = decay(Subject("", Coupled))
    assert (found.kind, found.evidence, found.carried) == (COUPLED, "path", "yes")
    found = decay(Subject("", InMomentum))
    assert (found.kind, found.carried) == (MIXED, "yes") and found.spread < 1e-9
    assert decay(Subject("", Ignoring)).kind == NO_EFFECT


def test_optimizers_that_lack_a_decay_argument_or_diverge_are_recognised() -> None:
    assert kind(Subject(TORCH, torch.optim.Rprop)) == (NO_ARGUMENT, "")
    assert decay(Subject(TORCH, torch.optim.Rprop)).kind == NO_ARGUMENT
    exploding: Rule = lambda x, step, d, lr, first, t: x * math.inf  # noqa: E731
    assert kind(toy(exploding)) == ("", "")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (Subject(OURS, optim.AdamW), "decoupled, lambda lr_t/lr_0"),
        (Subject(OURS, optim.AdamProx), "proximal, lambda lr_t/lr_0"),
        (Subject(OURS, optim.AdamL2), COUPLED),
        (Subject(OURS, optim.AdamMetricProx), MIXED),
        (Subject(TORCH, torch.optim.AdamW), "decoupled, lambda lr_t"),
        (Subject(TORCH, torch.optim.Adam), COUPLED),
        (Subject(TORCH, torch.optim.Muon), "decoupled, lambda lr_t"),
        (Subject(TORCH, torch.optim.Adafactor), "decoupled, lambda lr_t"),
        (Subject(TORCH, torch.optim.SGD), "coupled = decoupled, lambda lr_t"),
        (Subject(TORCH, torch.optim.SGD, {"momentum": 0.9}), COUPLED),
    ],
    ids=lambda value: value.name if isinstance(value, Subject) else None,
)
def test_our_optimizers_and_torchs_have_these_kinds_of_decay(subject: Subject, expected: str) -> None:
    assert kind(subject)[0] == expected
    assert expected in KINDS


def test_a_switch_changes_the_kind() -> None:
    adam = Subject(TORCH, torch.optim.Adam)
    assert kind(adam, {"decoupled_weight_decay": True}) == ("decoupled, lambda lr_t", "path")


def test_adamw_and_adam_have_these_decay_measurements() -> None:
    adamw = decay(Subject(TORCH, torch.optim.AdamW))
    assert (adamw.share, adamw.share_at_rest) == pytest.approx((0.01, 0.01), rel=1e-9)
    assert (adamw.lr_power, adamw.first_lr_power, adamw.gradient_power) == pytest.approx((1, 0, 0), abs=1e-9)
    assert (adamw.shape, adamw.carried) == ("1 - c", "no")
    adam = decay(Subject(TORCH, torch.optim.Adam))
    # lambda x over the gradient's size: with ten times the gradients, the decay is a tenth.
    assert adam.gradient_power == pytest.approx(-1, abs=0.05)
    assert (adam.lr_power, adam.first_lr_power) == pytest.approx((1, 0), abs=1e-9)
    assert adam.spread > 0.1 and (adam.shape, adam.carried) == ("neither", "yes")


COLLECTION = {
    # From the sources: BaseOptimizer.apply_weight_decay and each class's own step.
    "AdaBelief": ({}, "decoupled, lambda lr_t"),
    "QHAdam": ({}, COUPLED),
    "AdamP": ({"weight_decouple": False}, NO_EFFECT),
    "Adan": ({}, "proximal, lambda lr_t"),
    "Lion": ({"fixed_decay": True}, "decoupled, lambda"),
}


@pytest.mark.parametrize("name", COLLECTION)
def test_pytorch_optimizers_classes_have_these_kinds_of_decay(name: str) -> None:
    pytest.importorskip("pytorch_optimizer")
    switches, expected = COLLECTION[name]
    assert kind(named(f"pytorch_optimizer.{name}"), switches)[0] == expected
