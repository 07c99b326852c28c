"""A walk takes the steps of the plain loop, seeded, and changes no global state."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scalefree.theory.walk import COORDINATES, SHAPES, Walk, seeded

START = torch.from_numpy(np.random.default_rng(0).standard_normal(COORDINATES))


def bowl(x: Tensor) -> tuple[Tensor, Tensor]:
    return 3 * x, 1.5 * x @ x


class Drawing(torch.optim.Optimizer):
    """Moves by random numbers from torch, NumPy and Python."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for p in self.param_groups[0]["params"]:
            p += torch.rand(p.shape, dtype=p.dtype) + np.random.random() + random.random()


def test_a_walk_takes_the_steps_of_the_plain_loop() -> None:
    walk = Walk(lambda params: torch.optim.Adam(params, lr=0.1), START)
    x = torch.nn.Parameter(START.clone())
    plain = torch.optim.Adam([x], lr=0.1)
    for t in range(5):
        walk.set(lr=0.1 / (t + 1), nonsense=3)
        plain.param_groups[0]["lr"] = 0.1 / (t + 1)
        walk.step(bowl)
        x.grad = 3 * x.detach()
        plain.step()
    torch.testing.assert_close(walk.position(), x.detach(), rtol=1e-14, atol=0)
    walk.move_to(START)
    assert torch.equal(walk.position(), START)


def test_the_parameters_are_two_matrices_and_unknown_settings_are_ignored() -> None:
    made: list[torch.optim.SGD] = []

    def make(params: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        made.append(torch.optim.SGD(params, lr=1.0))
        return made[0]

    walk = Walk(make, START)
    walk.set(lr=0.5, nonsense=3)
    (group,) = made[0].param_groups
    assert tuple(p.shape for p in group["params"]) == SHAPES
    assert group["lr"] == 0.5 and "nonsense" not in group


def test_the_closure_gives_the_gradient_at_the_optimizers_point() -> None:
    walk = Walk(lambda params: torch.optim.LBFGS(params, lr=1.0, max_iter=5), START)
    walk.step(bowl)
    assert walk.position().abs().max() < 1e-6  # a bowl takes one Newton step


@pytest.mark.parametrize("second_order", [False, True])
def test_gradients_can_be_differentiated_only_on_request(second_order: bool) -> None:
    class Looking(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for p in self.param_groups[0]["params"]:
                assert p.grad.requires_grad == second_order
                if second_order:
                    (product,) = torch.autograd.grad(p.grad, p, torch.ones_like(p), retain_graph=True)
                    assert torch.equal(product, torch.full_like(p, 3.0))

    Walk(Looking, START, second_order=second_order).step(bowl)


def test_random_numbers_follow_the_seed_and_global_streams_continue() -> None:
    def end(seed: int) -> Tensor:
        with seeded(seed):
            walk = Walk(Drawing, START)
            walk.step(bowl)
            return walk.position()

    def streams() -> tuple[float, float, float]:
        return float(torch.rand(())), np.random.random(), random.random()

    for seed_all in (torch.manual_seed, np.random.seed, random.seed):
        seed_all(7)
    before = streams()
    for seed_all in (torch.manual_seed, np.random.seed, random.seed):
        seed_all(7)
    ends = [end(0)]
    assert streams() == before
    ends += [end(0), end(1)]  # from streams that have advanced
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_optimizers_with_a_training_mode_are_put_into_it() -> None:
    class Averaging(torch.optim.SGD):
        training = False

        def train(self) -> None:
            self.training = True

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            assert self.training

    Walk(Averaging, START).step(bowl)
