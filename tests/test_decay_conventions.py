"""lambda in other libraries' conventions, checked against the steps that they take when called as documented."""

import importlib.metadata
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scalefree.decay_conventions import CONVENTIONS, convention_of, from_library, table, to_library
from scalefree.optim import AdamL2, AdamProx, AdamW

PAGE = Path(__file__).parents[1] / "docs" / "lambda.md"
OURS = {"AdamW": AdamW, "Adam-l2": AdamL2, "AdamProx": AdamProx}
LAMBDA, ALPHA, STEPS = 0.03, 0.05, 12
CONSTANT = (1.0,) * STEPS
FALLING = tuple(0.8**t for t in range(STEPS))

Floats = NDArray[np.float64]


def assert_same(name: str, found: Any, expected: Any) -> None:
    """With a larger tolerance for QHAdam, which keeps the sums of its betas in float32."""
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-7 if "QHAdam" in CONVENTIONS[name].call else 1e-9)


RNG = np.random.default_rng(0)
START, GRADIENTS = RNG.standard_normal((4, 3)), RNG.standard_normal((STEPS, 4, 3))


def walk(make: Callable[[torch.nn.Linear], torch.optim.Optimizer], etas: Sequence[float]) -> Floats:
    """The point that a torch optimizer reaches on these gradients, with lr set as a scheduler would."""
    layer = torch.nn.Linear(3, 4, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(START))
    optimizer = make(layer)
    for eta, gradient in zip(etas, GRADIENTS, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = eta * ALPHA
        layer.weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
    return layer.weight.detach().numpy()


def ours(rule: str, etas: Sequence[float]) -> Floats:
    return walk(lambda layer: OURS[rule](layer.parameters(), lr=ALPHA, weight_decay=LAMBDA), etas)


def optax_walk(call: str, w: float, etas: Sequence[float]) -> Floats:
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    jax.config.update("jax_enable_x64", True)

    def eta(count: Any) -> Any:
        return jax.numpy.asarray(etas)[count]

    names = {**vars(optax), "optax": optax, "w": w, "eta": eta, "alpha": ALPHA, "lr": lambda count: ALPHA * eta(count)}
    optimizer = eval(call, names)
    x = jax.numpy.asarray(START)
    state = optimizer.init(x)
    for gradient in GRADIENTS:
        updates, state = optimizer.update(jax.numpy.asarray(gradient), state, x)
        x = optax.apply_updates(x, updates)
    return np.asarray(x)


def theirs(name: str, etas: Sequence[float], w: float | None = None) -> Floats:
    """The point that a convention's call reaches, evaluated as written in the table."""
    call = CONVENTIONS[name].call
    w = to_library(name, LAMBDA, ALPHA) if w is None else w
    if call.startswith("optax."):
        return optax_walk(call, w, etas)
    library = pytest.importorskip(call.partition(".")[0])
    if library.__name__ == "timm":
        library.optim = pytest.importorskip("timm.optim")
    names = {library.__name__: library, "lr": ALPHA, "w": w}
    return walk(lambda layer: eval(call, {**names, "params": layer.parameters(), "model": layer}), etas)


ADAN = [name for name in CONVENTIONS if name.endswith("Adan")]
ADAMS = [name for name in CONVENTIONS if name not in ADAN]


@pytest.mark.parametrize("name", ADAMS)
def test_under_a_constant_schedule_steps_equal_the_papers(name: str) -> None:
    expected = ours(CONVENTIONS[name].rule, CONSTANT)
    assert_same(name, theirs(name, CONSTANT), expected)
    assert np.abs(theirs(name, CONSTANT, w=0.0) - expected).max() > 1e-2  # the decay has an effect


@pytest.mark.parametrize("name", ADAMS)
def test_under_a_falling_schedule_steps_agree_only_if_the_table_says_so(name: str) -> None:
    found, expected = theirs(name, FALLING), ours(CONVENTIONS[name].rule, FALLING)
    if CONVENTIONS[name].schedule == "eta":
        assert_same(name, found, expected)
    else:
        assert np.abs(found - expected).max() > 1e-2


@pytest.mark.parametrize("name", [name for name in ADAMS if CONVENTIONS[name].schedule != "eta"])
def test_other_decays_ignore_the_schedule_or_follow_its_square(name: str) -> None:
    power = {"1": 0, "eta^2": 2}[CONVENTIONS[name].schedule]
    x = START.copy()
    for eta, step in zip(FALLING, _steps_without_decay(), strict=True):
        x = (1 - LAMBDA * eta**power) * x + step
    assert_same(name, theirs(name, FALLING), x)


def _steps_without_decay() -> list[Floats]:
    """Adam's displacements under the falling schedule; the gradients here do not depend on the point."""
    weight = torch.nn.Parameter(torch.from_numpy(START.copy()))
    optimizer = AdamW([weight], lr=ALPHA)
    displacements = []
    for eta, gradient in zip(FALLING, GRADIENTS, strict=True):
        optimizer.param_groups[0]["lr"] = eta * ALPHA
        weight.grad = torch.from_numpy(gradient.copy())
        before = weight.detach().clone()
        optimizer.step()
        displacements.append((weight.detach() - before).numpy())
    return displacements


@pytest.mark.parametrize("name", ADAN)
def test_adan_divides_by_one_plus_lambda_eta(name: str) -> None:
    """With given gradients its steps do not depend on the weights, so one step shows the shrinkage."""
    for eta in (1.0, 0.5):
        decayed, without = (_one_step(name, w, eta) for w in (to_library(name, LAMBDA, ALPHA), 0.0))
        np.testing.assert_allclose(decayed, without / (1 + LAMBDA * eta), rtol=1e-9)


def _one_step(name: str, w: float, eta: float) -> Floats:
    call = CONVENTIONS[name].call
    library = pytest.importorskip(call.partition(".")[0])
    if library.__name__ == "timm":
        library.optim = pytest.importorskip("timm.optim")
    weight = torch.nn.Parameter(torch.from_numpy(START.copy()))
    optimizer = eval(call, {library.__name__: library, "params": [weight], "lr": ALPHA, "w": w})
    optimizer.param_groups[0]["lr"] = eta * ALPHA
    weight.grad = torch.from_numpy(GRADIENTS[0].copy())
    optimizer.step()
    return weight.detach().numpy()


@pytest.mark.parametrize("name", CONVENTIONS)
def test_conversions_round_trip(name: str) -> None:
    for weight_decay, lr in ((1e-4, 1e-3), (0.0, 0.1), (0.5, 3.0)):
        assert from_library(name, to_library(name, weight_decay, lr), lr) == pytest.approx(weight_decay, rel=1e-15)


def test_the_papers_lambda_at_the_usual_step_size_is_a_tenth_for_torch() -> None:
    assert to_library("torch.optim.AdamW", 1e-4, lr=1e-3) == pytest.approx(0.1)
    assert from_library("torch.optim.AdamW", 1e-2, lr=1e-3) == pytest.approx(1e-5)  # torch's own defaults
    assert to_library("torch.optim.Adam", 1e-4, lr=1e-3) == 1e-4
    assert to_library("optax, decay last", 1e-4, lr=1e-3) == -1e-4
    assert math.copysign(1, to_library("optax, decay last", 0.0, lr=1e-3)) == 1


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'adamw' is unknown; choose one of torch\.optim\.AdamW, "):
        to_library("adamw", 1e-4, 1e-3)
    for lr in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="must be above 0 and finite"):
            to_library("torch.optim.AdamW", 1e-4, lr)
        with pytest.raises(ValueError, match="must be above 0 and finite"):
            from_library("torch.optim.Adam", 1e-4, lr)
    for decay in (-1e-4, math.inf, math.nan):
        with pytest.raises(ValueError, match="at least 0"):
            to_library("torch.optim.AdamW", decay, 1e-3)
    with pytest.raises(ValueError, match="does not decay"):
        from_library("optax, decay last", 1e-4, 1e-3)


def test_the_page_contains_the_table() -> None:
    assert f"\n\n{table()}\n" in PAGE.read_text()


@pytest.mark.parametrize("library", ["optax", "jax", "timm", "pytorch_optimizer"])
def test_the_page_names_the_versions_that_were_compared(library: str) -> None:
    pytest.importorskip(library)
    said = re.search(rf"\b{library} (\d+\.\d+)", PAGE.read_text())
    assert said and importlib.metadata.version(library).startswith(said[1])


@pytest.mark.parametrize(
    ("target", "arguments", "name"),
    [
        ("torch.optim.AdamW", {}, "torch.optim.AdamW"),
        ("torch.optim.AdamW", {"betas": [0.9, 0.99], "foreach": True}, "torch.optim.AdamW"),
        ("torch.optim.Adafactor", {}, "torch.optim.AdamW"),
        ("torch.optim.Adam", {}, "torch.optim.Adam"),
        ("torch.optim.RAdam", {"decoupled_weight_decay": False}, "torch.optim.Adam"),
        ("torch.optim.NAdam", {"decoupled_weight_decay": True}, "torch.optim.Adam, decoupled"),
        ("timm.optim.AdamWLegacy", {"corrected_weight_decay": True}, "timm.optim.AdamWLegacy, corrected"),
        ("pytorch_optimizer.QHAdam", {"weight_decouple": False}, "pytorch_optimizer, coupled"),
        ("pytorch_optimizer.QHAdam", {"weight_decouple": True, "fixed_decay": False}, "pytorch_optimizer, decoupled"),
        ("pytorch_optimizer.Lion", {"weight_decouple": True, "fixed_decay": True}, "pytorch_optimizer, fixed"),
        # The defaults differ from class to class.
        ("pytorch_optimizer.Lion", {}, None),
        ("pytorch_optimizer.Lion", {"fixed_decay": True}, None),
        ("pytorch_optimizer.Adan", {"weight_decouple": True}, None),
        ("torch.optim.SGD", {}, None),
        ("my.optimizers.AdamW", {}, None),
    ],
)
def test_the_convention_of_a_class_with_its_arguments(target: str, arguments: dict[str, Any], name: str | None) -> None:
    assert convention_of(target, arguments) == name
