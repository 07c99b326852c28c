"""The torch side of the four optimizers: groups, state and checks. What they do is in `rules.py`."""

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from scalefree.optim.rules import Hyperparameters, Rule, Scalar, Tensors

Lists = tuple[Tensors, Tensors, Tensors, Tensors, Tensors]  # x, g, m, v, t


class AdamFamily(Optimizer):
    """What Adam-l2, AdamW, AdamProx and AdamMetricProx share; a subclass names its `rule`.

    Args:
        params: parameters, named parameters or groups of them; a group may set any of the arguments below.
        lr: alpha, the initial step size, above 0. It is kept in `group["initial_lr"]`, the key that torch's
            schedulers use; schedules change `group["lr"]`, and eta = lr / initial_lr.
        betas: decay rates of the two moments.
        eps: added to sqrt(v_hat); 0 makes AdamW and AdamProx exactly scale-free.
        weight_decay: the paper's lambda, applied to every parameter of the group.

    `lr` and `weight_decay` are numbers or 0-dim tensors on the parameters' device. Changing such a tensor in
    place reaches a compiled or captured step. Load a state before compiling or capturing.

    State of a parameter: `step` (0-dim float64 on its device: 1 - 0.999**t at t = 1 is off by 6e-5 in
    float32), `exp_avg` (m) and `exp_avg_sq` (v), like the parameter in shape and dtype. (In float16 the
    default eps rounds to 0 and a dead coordinate becomes NaN, as in torch.optim.Adam.) All else that shapes
    the update is in the groups, the rule's name included, and so in `state_dict()`. A parameter without a
    gradient is skipped, its counter too; a complex one counts as pairs of reals.

    Raises:
        ValueError: an argument outside its range; in `load_state_dict`, another rule's state.
        RuntimeError: in `step`, a sparse gradient.
    """

    rule: ClassVar[Rule]

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: Scalar = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "rule": self.rule.__name__,
        }
        _refuse_bad_group(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; the constructor's arguments fill what is left out."""
        group = {**self.defaults, **param_group}
        lr = group["lr"]
        group.setdefault("initial_lr", lr.detach().clone() if isinstance(lr, Tensor) else lr)
        _refuse_bad_group(group)
        if group["rule"] != self.rule.__name__:
            raise ValueError(f"rule={group['rule']!r} in a group of {type(self).__name__}: leave `rule` out")
        super().add_param_group(group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's, but tensors are copied and another rule's state is refused."""
        for group in state_dict["param_groups"]:
            kind = group.get("rule", "another optimizer")
            if kind != self.rule.__name__:
                raise ValueError(
                    f"state saved by {kind}, not by {self.rule.__name__}: build the optimizer that saved it"
                )
        super().load_state_dict(copy.deepcopy(state_dict))
        for param, state in self.state.items():  # torch leaves `step` on the device where it was saved
            state["step"] = state["step"].to(param.device, torch.float64)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient by one step of the rule; returns the closure's loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            h = Hyperparameters(*(group[name] for name in Hyperparameters._fields))
            lists: Lists = ([], [], [], [], [])
            self._init_group(group, *lists)
            for x, g, m, v, t in _by_device_and_dtype(lists):
                torch._foreach_add_(t, 1)
                self.rule(x, g, m, v, t, h)
        return loss

    def _init_group(self, group: dict[str, Any], x: Tensors, g: Tensors, m: Tensors, v: Tensors, t: Tensors) -> None:
        """Fill the five lists from the parameters that have a gradient, making their state if it is missing.

        torch.compile knows this name and signature: it runs the method once instead of tracing it.
        """
        for param in group["params"]:
            if param.grad is None:
                continue
            if param.grad.layout != torch.strided:
                raise RuntimeError(
                    f"{type(self).__name__} needs dense gradients; a parameter of shape {tuple(param.shape)} "
                    f"has one of {param.grad.layout}: use Embedding(sparse=False), or param.grad.to_dense()"
                )
            state = self.state[param]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float64, device=param.device)
                state["exp_avg"] = torch.zeros_like(param, memory_format=torch.preserve_format)
                state["exp_avg_sq"] = torch.zeros_like(param, memory_format=torch.preserve_format)
            of_param = (param, param.grad, state["exp_avg"], state["exp_avg_sq"])
            for collected, tensor in zip((x, g, m, v), of_param, strict=True):
                collected.append(torch.view_as_real(tensor) if tensor.is_complex() else tensor)
            t.append(state["step"])


def _by_device_and_dtype(lists: Lists) -> Iterable[Lists]:
    """Split the five lists into parts that each hold one device and one dtype; none if they are empty."""
    kinds = dict.fromkeys((param.device, param.dtype) for param in lists[0])
    if len(kinds) == 1:
        return [lists]
    parts: list[Lists] = []
    for kind in kinds:
        chosen = [i for i, param in enumerate(lists[0]) if (param.device, param.dtype) == kind]
        x, g, m, v, t = ([tensors[i] for i in chosen] for tensors in lists)
        parts.append((x, g, m, v, t))
    return parts


def _refuse_bad_group(group: dict[str, Any]) -> None:
    for name in ("lr", "initial_lr", "weight_decay"):
        value = group.get(name)
        if isinstance(value, Tensor) and value.dim() != 0:
            raise ValueError(f"{name} must be a number or a 0-dim tensor, not of shape {tuple(value.shape)}")
    for name in ("lr", "initial_lr"):
        if name in group and not 0 < group[name] < math.inf:
            raise ValueError(f"{name}={group[name]} must be above 0 and finite")
    if not (len(group["betas"]) == 2 and all(0 <= beta < 1 for beta in group["betas"])):
        raise ValueError(f"betas={group['betas']} must be two numbers in [0, 1)")
    for name in ("eps", "weight_decay"):
        if not 0 <= group[name] < math.inf:
            raise ValueError(f"{name}={group[name]} must be 0 or above and finite")
