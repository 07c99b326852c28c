"""The torch side of the four optimizers: groups, state and checks. What they do is in `rules.py`."""

from collections.abc import Callable
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from scalefree.optim import rules
from scalefree.optim.rules import Scalar, Tensors


def _refuse_bad_group(group: dict[str, Any]) -> None:
    lr, (beta1, beta2), eps, weight_decay = (group[key] for key in ("lr", "betas", "eps", "weight_decay"))
    if isinstance(lr, Tensor) and lr.dim() or isinstance(weight_decay, Tensor) and weight_decay.dim():
        raise ValueError("lr and weight_decay must be numbers or 0-dimensional tensors")
    if not 0 < float(lr) < float("inf"):
        raise ValueError(f"lr={float(lr):g} must be above 0 and finite: the schedule is the ratio lr / initial_lr")
    if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
        raise ValueError(f"betas={group['betas']} must both be in [0, 1)")
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps={eps:g} must be 0 or above and finite")
    if not 0 <= float(weight_decay) < float("inf"):
        raise ValueError(f"weight_decay={float(weight_decay):g} must be 0 or above and finite")


def _as_real(tensors: Tensors) -> Tensors:
    """Complex tensors as pairs of reals, so that real and imaginary parts are coordinates of their own."""
    return [torch.view_as_real(t) if t.is_complex() else t for t in tensors]


class AdamFamily(torch.optim.Optimizer):
    """What Adam-l2, AdamW, AdamProx and AdamMetricProx share; a subclass gives its `rule` and its `_update`.

    Args:
        params: parameters or groups of them.
        lr: alpha, the initial step size, above 0; a number or a 0-dimensional tensor. The first value is kept as
            `initial_lr` (the key that torch's schedulers use), and eta = lr / initial_lr is the schedule.
        betas: decay rates of the two moments.
        eps: added to sqrt(v_hat); 0 makes AdamW and AdamProx exactly scale-free.
        weight_decay: the paper's lambda; a number or a 0-dimensional tensor. Applied to every parameter.

    State of a parameter: `step` (0-dimensional float64, because 1 - 0.999**t at t = 1 is off by 6e-5 in float32),
    `exp_avg` (m), `exp_avg_sq` (v). Everything else that shapes the update is in the groups, so in `state_dict`.

    Raises:
        ValueError: an argument outside its range, or another rule's state.
        RuntimeError: a sparse gradient.
    """

    rule: ClassVar[str]

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: Scalar = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "rule": self.rule}
        _refuse_bad_group(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; `initial_lr` is set to the group's `lr`."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            _refuse_bad_group(group)
        except ValueError:
            self.param_groups.pop()
            raise
        lr = group["lr"]
        group.setdefault("initial_lr", lr.detach().clone() if isinstance(lr, Tensor) else lr)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's, but another optimizer's state is refused: its moments may hold lambda x."""
        for group in state_dict["param_groups"]:
            if group.get("rule") != self.rule:
                raise ValueError(
                    f"this state belongs to {group.get('rule', 'another optimizer')}, not to {self.rule}; "
                    "build the optimizer that wrote it"
                )
        super().load_state_dict(state_dict)
        # torch casts state to the parameter's dtype, which would round the counters to it.
        saved = state_dict["state"]
        order = [i for group in state_dict["param_groups"] for i in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        for i, param in zip(order, params, strict=True):
            if i in saved:
                self.state[param]["step"] = saved[i]["step"].detach().to(param.device, torch.float64, copy=True)

    def _state_of(self, group: dict[str, Any]) -> tuple[Tensors, Tensors, Tensors, Tensors, list[Tensor]]:
        """x, g, m, v and the counters of the group's parameters that have a gradient."""
        params = [param for param in group["params"] if param.grad is not None]
        for param in params:
            if param.grad.is_sparse:
                raise RuntimeError(
                    f"{type(self).__name__} needs dense gradients: decay moves every coordinate at every step; "
                    "use sparse=False in the embedding"
                )
            state = self.state[param]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float64, device=param.device)
                state["exp_avg"] = torch.zeros_like(param, memory_format=torch.preserve_format)
                state["exp_avg_sq"] = torch.zeros_like(param, memory_format=torch.preserve_format)
        states = [self.state[param] for param in params]
        return (
            _as_real(params),
            _as_real([param.grad for param in params]),
            _as_real([state["exp_avg"] for state in states]),
            _as_real([state["exp_avg_sq"] for state in states]),
            [state["step"] for state in states],
        )

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
            x, g, m, v, steps = self._state_of(group)
            if x:
                self._group_step(group, x, g, m, v, steps)
        return loss

    def _group_step(
        self, group: dict[str, Any], x: Tensors, g: Tensors, m: Tensors, v: Tensors, steps: list[Tensor]
    ) -> None:
        beta1, beta2 = group["betas"]
        torch._foreach_add_(steps, 1)
        rules.update_moments(m, v, self._gradient(group, x, g), beta1, beta2)
        d = rules.denominator(v, steps, beta2, group["eps"])
        p = rules.direction(m, d, steps, beta1, group["eps"])
        self._update(group, x, p, d)

    def _gradient(self, group: dict[str, Any], x: Tensors, g: Tensors) -> Tensors:
        """The gradient that enters the moments."""
        return g

    def _update(self, group: dict[str, Any], x: Tensors, p: Tensors, d: Tensors) -> None:
        """Move x along the direction p, D being its denominator; may overwrite both."""
        raise NotImplementedError

    @torch.no_grad()
    def directions(self) -> dict[Tensor, Tensor]:
        """p = m_hat / (sqrt(v_hat) + eps) of every parameter that has taken a step, from the state as it is.

        |p| is the paper's update scale |update| / alpha, in units of the current step size: without the decay of
        AdamW and the two prox rules, and with Adam-l2's, whose moments contain it.
        """
        found = {}
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for param in group["params"]:
                if state := self.state.get(param):
                    steps = [state["step"]]
                    d = rules.denominator([state["exp_avg_sq"]], steps, beta2, group["eps"])
                    found[param] = rules.direction([state["exp_avg"]], d, steps, beta1, group["eps"])[0]
        return found
