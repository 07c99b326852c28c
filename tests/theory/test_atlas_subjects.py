"""Which optimizers are found, and how they are built."""

from typing import Any

import pytest
import torch
from torch.nn import Parameter

from scalefree import optim
from scalefree.theory.atlas_subjects import (
    COLLECTION,
    OURS,
    TORCH,
    Refused,
    Subject,
    named,
    one_line,
    subjects,
)


def params() -> list[Parameter]:
    return [Parameter(torch.ones(4, 5, dtype=torch.float64)), Parameter(torch.ones(5, 4, dtype=torch.float64))]


def test_every_class_of_a_package_is_found_once() -> None:
    assert {subject.kind for subject in subjects(OURS)} == {
        optim.AdamL2, optim.AdamW, optim.AdamProx, optim.AdamMetricProx, optim.AdamScaledL2
    }  # fmt: skip
    torchs = [subject.name for subject in subjects(TORCH)]
    assert {"Adam", "AdamW", "SGD", "LBFGS", "SparseAdam", "Muon"} < set(torchs)
    assert "Optimizer" not in torchs and torchs == sorted(torchs, key=str.lower)


def test_torchs_classes_are_not_attributed_to_pytorch_optimizer() -> None:
    pytest.importorskip("pytorch_optimizer")
    names = [subject.name for subject in subjects(COLLECTION)]
    assert len(names) > 100 and "Adam" not in names and {"RAdam", "Adan", "Lookahead", "SAM"} < set(names)


def test_arguments_are_passed_on_and_varied_ones_take_precedence() -> None:
    subject = named("torch.optim.Adam").with_arguments({"lr": 0.5, "betas": (0.5, 0.6)})
    (group,) = subject.make(lr=0.25, eps=0.0)(params()).param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.25, (0.5, 0.6), 0.0)
    assert subject.beyond_defaults == {"lr": 0.5, "betas": (0.5, 0.6)}
    assert subject.takes("weight_decay") and not subject.takes("momentum") and not subject.takes("kwargs")


def test_eps_arguments_are_found_by_name_and_type() -> None:
    class Several(torch.optim.SGD):
        def __init__(self, params: Any, eps: float = 1e-8, eps2: float = 1e-3, eps_3: float = 0.1, steps: float = 2.0):
            super().__init__(params, lr=0.1)

    class Pair(torch.optim.SGD):
        def __init__(self, params: Any, eps: tuple[float, float] = (1e-30, 1e-3)):
            super().__init__(params, lr=0.1)

    assert Subject("", Several).eps == ["eps", "eps2", "eps_3"]
    assert Subject("", Pair).eps == [] == named("torch.optim.Adafactor").eps == named("torch.optim.SGD").eps


def test_wrapping_optimizers_pass_arguments_on() -> None:
    pytest.importorskip("pytorch_optimizer")
    lookahead = named("pytorch_optimizer.Lookahead").with_arguments({"k": 3})
    assert lookahead.wraps and lookahead.takes("weight_decay") and lookahead.eps == ["eps"]
    optimizer: Any = lookahead.make(lr=0.25, eps=0.5)(params())
    assert isinstance(optimizer.optimizer, torch.optim.AdamW) and optimizer.k == 3
    (group,) = optimizer.optimizer.param_groups
    assert (group["lr"], group["eps"], group["weight_decay"]) == (0.25, 0.5, 0.0)
    sam: Any = named("pytorch_optimizer.SAM").make(lr=0.25, rho=0.5)(params())
    assert isinstance(sam.base_optimizer, torch.optim.AdamW)
    (group,) = sam.param_groups
    assert (group["lr"], group["rho"], group["weight_decay"]) == (0.25, 0.5, 0.0)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("torch.optim.Nope", "cannot be imported: AttributeError"),
        ("nowhere.Adam", "cannot be imported: ModuleNotFoundError"),
        ("Adam", "is not a dotted path"),
        ("torch.optim.", "is not a dotted path"),
        ("..Adam", "cannot be imported"),
        ("torch.nn.Linear", "is not an optimizer"),
        ("math.sqrt", "is not an optimizer"),
        ("torch.optim.Optimizer", "is not an optimizer"),
    ],
)
def test_targets_that_are_not_optimizers_are_refused_in_one_line(target: str, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        named(target)
    assert "\n" not in str(refused.value)


def test_misspelt_arguments_are_refused_even_if_the_constructor_accepts_them() -> None:
    class Swallowing(torch.optim.SGD):
        def __init__(self, params: Any, lr: float = 0.1, **kwargs: Any) -> None:
            super().__init__(params, lr=lr)

    with pytest.raises(Refused, match="has no argument 'weigth_decay'; it has lr"):
        Subject("mine", Swallowing).with_arguments({"weigth_decay": 1.0})
    with pytest.raises(Refused, match="has no argument 'params'"):
        named("torch.optim.SGD").with_arguments({"params": []})


def test_errors_are_one_line_without_addresses() -> None:
    assert one_line(ValueError("a <object at 0x7f01>\nb")) == "ValueError: a <object>"
    assert one_line(KeyError()) == "KeyError"
