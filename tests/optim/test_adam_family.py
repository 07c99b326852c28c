"""The rules as torch optimizers: groups, tensor settings, compilation, all kinds of gradients, checks."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from optim.paired import assert_same, build, feed, params_of
from optim.reference import OPTIMIZERS, RULES, Reference, parameter
from scalefree.optim import AdamL2, AdamMetricProx, AdamProx, AdamScaledL2, AdamW


def test_all_rules_have_these_signatures_and_group_keys() -> None:
    expected = "(params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)"
    for cls in (AdamL2, AdamW, AdamProx, AdamMetricProx, AdamScaledL2):
        bare = inspect.signature(cls)
        plain = [p.replace(annotation=inspect.Parameter.empty) for p in bare.parameters.values()]
        signature = bare.replace(parameters=plain, return_annotation=inspect.Signature.empty)
        own = ", granularity='coordinate')" if cls is AdamScaledL2 else ")"
        assert str(signature) == expected.removesuffix(")") + own
    group = AdamW([torch.nn.Parameter(torch.ones(1))], lr=0.5).param_groups[0]
    assert {"lr", "initial_lr", "betas", "eps", "weight_decay", "rule"} < set(group)
    assert group["initial_lr"] == 0.5 and group["rule"] == "adamw"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", RULES)
def test_tensor_settings_equal_numbers_bit_for_bit(rule: str, dtype: torch.dtype) -> None:
    numbers = build(rule, dtype)
    settings = {"lr": 1e-2, "weight_decay": 0.1}
    tensors = build(rule, dtype, **{k: torch.tensor(v, dtype=torch.float64) for k, v in settings.items()})
    for i in range(20):
        numbers.param_groups[0]["lr"] = 1e-2 / (1 + i)
        tensors.param_groups[0]["lr"].fill_(1e-2 / (1 + i))
        feed(numbers, 1, seed=i)
        feed(tensors, 1, seed=i)
    assert_same(numbers, tensors)
    assert float(tensors.param_groups[0]["initial_lr"]) == 1e-2  # a copy, not the tensor that schedules update


@pytest.mark.parametrize("eps", [1e-8, 0.0])
@pytest.mark.parametrize("rule", RULES)
def test_a_step_does_not_read_tensor_values(rule: str, eps: float) -> None:
    """Tensors on the meta device have no values: reading one raises."""
    p = torch.nn.Parameter(torch.empty(3, device="meta"))
    optimizer = OPTIMIZERS[rule]([p], eps=eps)
    for key in ("lr", "initial_lr", "weight_decay"):
        optimizer.param_groups[0][key] = torch.empty((), device="meta")
    p.grad = torch.empty(3, device="meta")
    optimizer.step()
    optimizer.step()


@pytest.mark.parametrize("eps", [1e-8, 0.0])
@pytest.mark.parametrize("rule", RULES)
def test_a_step_compiles_once_for_all_step_sizes_and_decays(rule: str, eps: float) -> None:
    torch._dynamo.reset()
    compilations = []

    def backend(module: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        compilations.append(module)
        return module.forward

    settings = {"lr": torch.tensor(1e-2), "weight_decay": torch.tensor(0.1), "eps": eps}
    eager, compiled = build(rule, **copy.deepcopy(settings)), build(rule, **copy.deepcopy(settings))
    step = torch.compile(compiled.step, backend=backend)
    for i in range(4):
        for optimizer, call in ((eager, eager.step), (compiled, step)):
            optimizer.param_groups[0]["lr"].fill_(1e-2 / (1 + i))
            optimizer.param_groups[0]["weight_decay"].fill_(0.1 * i)
            feed(optimizer, 1, seed=i, call=call)
    assert len(compilations) == 1
    # Not bit for bit: torch 2.11 traces lerp as a subtraction and a multiplication.
    for param, twin in zip(eager.state, compiled.state, strict=True):
        for key, value in eager.state[param].items():
            torch.testing.assert_close(compiled.state[twin][key], value, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(twin, param, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_a_group_added_later_has_its_own_settings_and_step_count(rule: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(5), rng.standard_normal(3)
    p, q = parameter(x), parameter(y)
    first, second = Reference(rule, x, 1e-2, 0.1), Reference(rule, y, 5e-2, 0.3)
    optimizer = OPTIMIZERS[rule]([p], lr=1e-2, weight_decay=0.1)
    for i in range(8):
        if i == 4:
            optimizer.param_groups[0]["lr"] = 5e-3
            optimizer.add_param_group({"params": [q], "lr": 5e-2, "weight_decay": 0.3})
        for param, reference, eta in ((p, first, 1.0 if i < 4 else 0.5), (q, second, 1.0)):
            if param is p or i >= 4:
                g = rng.standard_normal(param.numel())
                param.grad = torch.from_numpy(g.copy())
                reference.step(g, eta)
        optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), first.x, rtol=1e-13)
    np.testing.assert_allclose(q.detach().numpy(), second.x, rtol=1e-13)
    assert [group["initial_lr"] for group in optimizer.param_groups] == [1e-2, 5e-2]


@pytest.mark.parametrize("rule", RULES)
def test_a_missing_gradient_skips_the_parameter_and_its_counter(rule: str) -> None:
    p, q = parameter(np.ones(2)), parameter(np.ones(2))
    optimizer = OPTIMIZERS[rule]([p, q], weight_decay=0.1)
    for i in range(4):
        p.grad = torch.ones(2, dtype=torch.float64)
        q.grad = torch.ones(2, dtype=torch.float64) if i % 2 else None
        held = q.detach().clone()
        optimizer.step()
        assert torch.equal(q.detach(), held) == (q.grad is None)
    assert optimizer.state[p]["step"] == 4 and optimizer.state[q]["step"] == 2
    p.grad = q.grad = None
    optimizer.step()
    assert optimizer.state[p]["step"] == 4


@pytest.mark.parametrize("rule", RULES)
def test_a_step_does_not_change_the_gradients(rule: str) -> None:
    optimizer = build(rule)
    feed(optimizer, 1, seed=1)
    gradients = [p.grad for p in params_of(optimizer)]
    before = [g.clone() for g in gradients if g is not None]
    optimizer.step()
    for p, g, held in zip(params_of(optimizer), gradients, before, strict=True):
        assert p.grad is g and torch.equal(g, held)


def test_named_parameters_and_mixed_precisions_are_supported() -> None:
    generator = torch.Generator().manual_seed(0)
    dtypes = {"a": torch.float32, "b": torch.float64, "c": torch.bfloat16, "d": torch.float32}
    values = {name: torch.randn(5, generator=generator, dtype=torch.float64) for name in dtypes}
    params = {name: torch.nn.Parameter(values[name].to(dtype)) for name, dtype in dtypes.items()}
    optimizer = AdamW(list(params.items()), lr=0.1, weight_decay=0.1)
    references = {name: Reference("adamw", p.detach().double().numpy(), 0.1, 0.1) for name, p in params.items()}
    for _ in range(5):
        for name, p in params.items():
            p.grad = torch.randn(5, generator=generator, dtype=torch.float64).to(p.dtype)
            references[name].step(p.grad.double().numpy(), 1.0)
        optimizer.step()
    assert optimizer.param_groups[0]["param_names"] == list(params)
    for name, p in params.items():
        assert optimizer.state[p]["exp_avg"].dtype == p.dtype
        tolerance = 10 * torch.finfo(p.dtype).eps
        np.testing.assert_allclose(p.detach().double().numpy(), references[name].x, rtol=0, atol=tolerance)


def test_the_closure_is_called_with_gradients_on() -> None:
    p = parameter(np.array([3.0]))
    optimizer = AdamW([p], lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 9.0
    assert p.item() == pytest.approx(2.9)
    assert optimizer.step() is None


@pytest.mark.parametrize("rule", RULES)
def test_complex_parameters_are_treated_as_pairs_of_reals(rule: str) -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.nn.Parameter(torch.randn(6, dtype=torch.complex128, generator=generator))
    q = torch.nn.Parameter(p.detach().clone())
    r = torch.nn.Parameter(torch.view_as_real(p.detach()).clone())
    plain, theirs = OPTIMIZERS[rule]([p], lr=0.1), torch.optim.Adam([q], lr=0.1)
    decayed = torch.nn.Parameter(p.detach().clone())
    as_complex = OPTIMIZERS[rule]([decayed], lr=0.1, weight_decay=0.1)
    as_real = OPTIMIZERS[rule]([r], lr=0.1, weight_decay=0.1)
    for _ in range(20):
        g = torch.randn(6, dtype=torch.complex128, generator=generator)
        p.grad, q.grad, decayed.grad, r.grad = g, g.clone(), g.clone(), torch.view_as_real(g).clone()
        for optimizer in (plain, theirs, as_complex, as_real):
            optimizer.step()
    torch.testing.assert_close(p, q, rtol=1e-14, atol=1e-15)
    assert torch.equal(torch.view_as_real(decayed.detach()), r.detach())
    assert plain.state[p]["exp_avg"].dtype == torch.complex128


@pytest.mark.parametrize("rule", RULES)
def test_a_sparse_gradient_is_refused(rule: str) -> None:
    embedding = torch.nn.Embedding(5, 2, sparse=True)
    before = embedding.weight.detach().clone()
    embedding(torch.tensor([1])).sum().backward()
    optimizer = OPTIMIZERS[rule](embedding.parameters())
    with pytest.raises(RuntimeError, match=r"dense gradients.*\(5, 2\).*sparse=False"):
        optimizer.step()
    assert torch.equal(embedding.weight, before)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("lr", -1.0, r"lr=-1.0 must be above 0"),
        ("lr", 0.0, r"lr=0.0 must be above 0"),
        ("lr", float("nan"), r"lr=nan must be"),
        ("lr", torch.tensor(-1.0), r"lr=-1.0 must be above 0"),
        ("lr", torch.ones(2), r"lr has shape \(2,\); it must be a number or a 0-dim tensor"),
        ("initial_lr", 0.0, r"initial_lr=0.0 must be above 0"),
        ("betas", (1.0, 0.9), r"betas=\(1.0, 0.9\) must be two numbers in \[0, 1\)"),
        ("betas", (0.9, -0.1), r"betas=\(0.9, -0.1\)"),
        ("betas", (0.9,), r"betas=\(0.9,\)"),
        ("eps", -1e-8, r"eps=-1e-08 must be 0 or above"),
        ("weight_decay", -0.1, r"weight_decay=-0.1 must be 0 or above"),
        ("weight_decay", torch.tensor(-0.5), r"weight_decay=-0.5 must be"),
        ("rule", "adaml2", r"rule='adaml2' in a group of AdamW"),
    ],
)
def test_bad_settings_are_refused_by_name(setting: str, value: Any, message: str) -> None:
    p, q = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    if setting in ("lr", "betas", "eps", "weight_decay"):
        with pytest.raises(ValueError, match=message):
            AdamW([p], **{setting: value})
    optimizer = AdamW([p])
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": [q], setting: value})
    assert len(optimizer.param_groups) == 1
