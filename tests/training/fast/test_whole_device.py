"""Multi-tensor operations on a single tensor are replaced by single-tensor ones, with the same results."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from scalefree.optim.adam_family import RULES
from scalefree.training.fast.whole_device import FOREACH, WholeDevice


class Seen(TorchDispatchMode):
    """Logs the names of operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.names.append(operation.__name__)
        return operation(*args, **(kwargs or {}))


def trained(rule: str, eps: float, parts: int, whole: bool) -> tuple[list[Tensor], list[str]]:
    """Weights and moments after three steps, and the operations of the last one."""
    drawn = torch.Generator().manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(7, generator=drawn)) for _ in range(parts)]
    lr, decay = (torch.tensor(value, dtype=torch.float64) for value in (1e-2, 1e-1))
    optimizer = RULES[rule](weights, lr=lr, eps=eps, weight_decay=decay)
    for _ in range(3):
        for weight in weights:
            weight.grad = torch.randn(7, generator=drawn)
            weight.grad[0] = 0  # never has a gradient
        with Seen() as seen:
            if whole:
                with WholeDevice():
                    optimizer.step()
            else:
                optimizer.step()
    kept = [tensor for state in optimizer.state.values() for tensor in state.values()]
    return [*(weight.detach() for weight in weights), *kept], seen.names


@pytest.mark.parametrize("eps", [1e-8, 0.0])
@pytest.mark.parametrize("rule", RULES)
def test_a_single_tensor_uses_single_tensor_operations(rule: str, eps: float) -> None:
    expected, before = trained(rule, eps, 1, whole=False)
    found, after = trained(rule, eps, 1, whole=True)
    assert any(name.startswith(FOREACH) for name in before)
    assert not any(name.startswith(FOREACH) for name in after)
    for tensor, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(tensor, wanted, rtol=1e-6, atol=1e-9)
    assert float(found[0][1:].abs().min()) > 0


@pytest.mark.parametrize("rule", RULES)
def test_lists_of_several_tensors_are_unchanged(rule: str) -> None:
    expected, before = trained(rule, 1e-8, 3, whole=False)
    found, after = trained(rule, 1e-8, 3, whole=True)
    assert after == before
    assert all(torch.equal(tensor, wanted) for tensor, wanted in zip(found, expected, strict=True))
