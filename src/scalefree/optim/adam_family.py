"""The torch optimizers: groups, state and checks, then a class per rule. The rules themselves are in `rules.py`."""

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from scalefree.optim import rules
from scalefree.optim.rules import Hyperparameters, Reading, Rule, Scalar, Tensors


def _is_at_hand(value: Scalar) -> bool:
    """Whether it can be read without waiting for a device or splitting a compiled step."""
    return not isinstance(value, Tensor) or (value.device.type == "cpu" and not torch.compiler.is_compiling())


class AdamFamily(Optimizer):
    """The common base of the optimizers; a subclass names its `rule` and what can be read off its buffers.

    Args:
        params: parameters, named parameters or groups of them; a group may set any of the arguments below.
        lr: alpha, the initial step size, above 0. It is kept in `group["initial_lr"]`, the key that torch's
            schedulers use; schedules change `group["lr"]`, and eta = lr / initial_lr.
        betas: decay rates of the two moments.
        eps: added to sqrt(v_hat); 0 makes AdamW and AdamProx exactly scale-free.
        weight_decay: the paper's lambda, applied to every parameter of the group.

    `lr` and `weight_decay` are numbers or 0-dim tensors on the parameters' device. Changing such a tensor in place also
    takes effect in a compiled or captured step. Load a state before compiling or capturing.

    State of a parameter: `step` (0-dim float64 on its device: 1 - 0.999**t at t = 1 is off by 6e-5 in
    float32) and the rule's `buffers`, like the parameter in shape and dtype. (In float16 the default eps rounds to 0; a
    dead coordinate does not move.) Everything else that determines the update, including the rule's name, is in the
    groups and so in `state_dict()`. A parameter without a gradient is skipped, and its counter with it; a complex
    parameter is treated as pairs of reals.

    Schedulers: every torch scheduler works as with torch.optim.Adam. One that sets its own first lr (CyclicLR, or an lr
        set by hand before the scheduler is made) also sets initial_lr, as with torch's optimizers; under OneCycleLR
        alpha is `max_lr`. AdamW and AdamProx refuse an lr below 0 or above alpha, because a decay of lambda eta would
        then be meaningless; this is not checked for a tensor on a GPU or in a compiled step.

    Raises:
        ValueError: an argument outside its range; in `step`, an lr outside [0, alpha]; in `load_state_dict`, another
            rule's state.
        RuntimeError: in `step`, a sparse gradient.
    """

    rule: ClassVar[Rule]
    # Names in a parameter's state of what the rule takes after x and g.
    buffers: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")
    # The buffer with the second moment of the loss gradient alone; None if the decay is mixed into all buffers.
    loss_second_moment: ClassVar[str | None] = "exp_avg_sq"
    # p, the update without its step size, and each coordinate's own decay in units of lambda eta; None if unknown.
    direction: ClassVar[Reading] = staticmethod(rules.direction)
    effective_decay: ClassVar[Reading | None] = None
    # Whether the rule works on single coordinates and ignores layers, so that all may be in one vector.
    elementwise: ClassVar[bool] = True
    # Whether the decay is lambda eta whatever the gradients are, so that eta must stay in [0, 1].
    decays_by_eta: ClassVar[bool] = False

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
        """Add parameters with their own settings; missing ones are taken from the constructor's arguments."""
        group = _Group({**self.defaults, **param_group})
        lr = group["lr"]
        if "initial_lr" not in group:
            group["initial_lr"] = lr.detach().clone() if isinstance(lr, Tensor) else lr
            group.scheduled = False
        _refuse_bad_group(group)
        if group["rule"] != self.rule.__name__:
            raise ValueError(f"rule={group['rule']!r} in a group of {type(self).__name__}; leave `rule` out")
        super().add_param_group(group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Like torch's, but tensors are copied and another rule's state is refused."""
        for group in state_dict["param_groups"]:
            kind = group.get("rule", "another optimizer")
            if kind != self.rule.__name__:
                raise ValueError(
                    f"state saved by {kind}, not by {self.rule.__name__}; load it into the optimizer that saved it"
                )
        super().load_state_dict(copy.deepcopy(state_dict))
        for param, state in self.state.items():  # torch leaves `step` on the device from which it was saved
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
        if torch.compiler.is_compiling():
            self._init_group(None)
        for group in self.param_groups:
            h = self._hyperparameters(group)
            lists: tuple[Tensors, ...] = tuple([] for _ in ("x", "g", "t", *self.buffers))
            self._init_group(group, *lists)
            for x, g, t, *of_rule in _by_device_and_dtype(*lists):
                torch._foreach_add_(t, 1)
                self.rule(x, g, *of_rule, t, h)
        return loss

    def _hyperparameters(self, group: dict[str, Any]) -> Hyperparameters:
        named = {name: group[name] for name in Hyperparameters._fields if name in group}
        if "max_lr" in group:  # OneCycleLR, whose initial_lr is the start of its warm-up
            named["initial_lr"] = group["max_lr"]
        h = Hyperparameters(**named)
        if self.decays_by_eta and all(map(_is_at_hand, (h.lr, h.initial_lr, h.weight_decay))) and h.weight_decay > 0:
            eta = float(h.lr / h.initial_lr)
            if not -1e-9 <= eta <= 1 + 1e-6:  # a float32 tensor's lr is rounded
                where = "above" if eta > 1 else "not between 0 and"
                raise ValueError(
                    f"lr={float(h.lr):g} is {where} alpha={float(h.initial_lr):g}, so a decay of lambda eta "
                    "with eta = lr/alpha in [0, 1] is meaningless; set group['initial_lr'] to the largest lr of the "
                    "schedule"
                )
        return h

    def _init_group(self, group: dict[str, Any] | None, *lists: Tensors) -> None:
        """Fill the lists x, g, t and those of the buffers from a group's parameters with a gradient, creating state.

        torch.compile knows this name: it runs the method once instead of tracing it. It traces only plain dictionaries,
        so the groups are converted to these if `group` is None.
        """
        if group is None:
            self.param_groups[:] = [dict(each) for each in self.param_groups]
            return
        x, g, t, *buffers = lists
        for param in group["params"]:
            if param.grad is None:
                continue
            if param.grad.layout != torch.strided:
                raise RuntimeError(
                    f"{type(self).__name__} needs dense gradients; a parameter of shape {tuple(param.shape)} "
                    f"has one of {param.grad.layout}; use Embedding(sparse=False), or param.grad.to_dense()"
                )
            state = self.state[param]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float64, device=param.device)
                for name in self.buffers:
                    state[name] = torch.zeros_like(param, memory_format=torch.preserve_format)
            of_param = (param, param.grad, *(state[name] for name in self.buffers))
            for collected, tensor in zip((x, g, *buffers), of_param, strict=True):
                collected.append(torch.view_as_real(tensor) if tensor.is_complex() else tensor)
            t.append(state["step"])

    def make_state(self) -> None:
        """Make what the first step would: zero moments of every parameter that has a gradient."""
        for group in self.param_groups:
            self._init_group(group, *([] for _ in ("x", "g", "t", *self.buffers)))

    def read(self, reading: Reading, group: dict[str, Any]) -> list[Tensor]:
        """What `direction` or `effective_decay` says of each of the group's parameters, after a step."""
        states = [self.state[param] for param in group["params"]]
        buffers = ([state[name] for state in states] for name in self.buffers)
        return reading(*buffers, [state["step"] for state in states], self._hyperparameters(group))


class AdamL2(AdamFamily):
    """Adam on f(x) + lambda/2 |x|^2; `torch.optim.Adam(weight_decay=lambda)` makes the same iterates.

        g <- g + lambda x;   x <- x - eta alpha m_hat / (sqrt(v_hat) + eps)

    Not scale-free for lambda > 0: scaling the gradients of f does not scale lambda x. Arguments, state and
    errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adaml2)
    loss_second_moment = None
    effective_decay = staticmethod(rules.metric_decay)


class AdamW(AdamFamily):
    """AdamW in Loshchilov and Hutter's form; scale-free at eps = 0.

        x <- (1 - lambda eta) x - eta alpha m_hat / (sqrt(v_hat) + eps)

    The decay follows the schedule but not the step size; `torch.optim.AdamW` multiplies it by lr, so that
    `weight_decay=lambda/alpha` there makes the same iterates. Arguments, state and errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adamw)
    effective_decay = staticmethod(rules.uniform_decay)
    decays_by_eta = True


class AdamProx(AdamFamily):
    """Adam's step on f, then the prox of eta lambda/2 |x|^2; scale-free at eps = 0.

        x <- (x - eta alpha m_hat / (sqrt(v_hat) + eps)) / (1 + lambda eta)

    One step differs from AdamW's by (lambda eta)^2 x + lambda eta^2 alpha p, to second order in eta.
    Arguments, state and errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adamprox)
    effective_decay = staticmethod(rules.uniform_decay)
    decays_by_eta = True


class AdamMetricProx(AdamFamily):
    """The proximal step in the metric that Adam itself uses (Schaipp 2023, "Decay No More", calls it AdamP).

        x <- (x - eta alpha m_hat / D) / (1 + eta alpha lambda / D),   D = sqrt(v_hat) + eps

    Each coordinate shrinks by an amount that depends on the scale of its gradients: not scale-free for lambda
    > 0. At eps = 0 a coordinate that never had a gradient goes to 0 for lambda > 0, the limit of the
    equation. Arguments, state and errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adam_metric_prox)
    effective_decay = staticmethod(rules.metric_decay)


class AdamScaledL2(AdamFamily):
    """Adam-l2 made scale-free: its decay passes through the moments, multiplied by the gradient's own scale.

        u <- beta2 u + (1 - beta2) g^2;   g <- g + (lambda / alpha) s x
        x <- x - eta alpha m_hat / (sqrt(v_hat) + eps)

    With s = sqrt(u_hat) of each coordinate (granularity "coordinate") it is scale-free at eps = 0. With the root mean
    square of that over a layer ("layer"), each coordinate of a layer must be scaled alike; over all layers
    ("network"), all of them. A layer is one parameter tensor; a network the parameters of a group. Together with
    AdamMetricProx it separates scale-freeness from keeping the decay out of the moments.
    Arguments, state (`exp_avg_sq_loss` is u) and errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adam_scaled_l2)
    buffers = ("exp_avg", "exp_avg_sq", "exp_avg_sq_loss")
    loss_second_moment = "exp_avg_sq_loss"
    direction = staticmethod(rules.scaled_direction)
    effective_decay = staticmethod(rules.scaled_decay)

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: Scalar = 0.0,
        granularity: str = "coordinate",
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
        self.defaults["granularity"] = granularity
        for group in self.param_groups:
            group.setdefault("granularity", granularity)
            _refuse_bad_group(group)


# By command-line key, which is the rule's own name; `scalefree.optimizers` has a row for each.
RULES: dict[str, type[AdamFamily]] = {
    of.rule.__name__: of for of in (AdamL2, AdamW, AdamProx, AdamMetricProx, AdamScaledL2)
}


class _Group(dict[str, Any]):
    """A parameter group whose `initial_lr` is the constructor's lr until a scheduler sets another value.

    torch's schedulers assign it or call `setdefault("initial_lr", lr)`; the first one takes effect, as with torch's
    optimizers.
    """

    scheduled = True

    def __setitem__(self, key: str, value: Any) -> None:
        self.scheduled = self.scheduled or key == "initial_lr"
        super().__setitem__(key, value)

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key == "initial_lr" and not self.scheduled:
            self.scheduled = True
            self[key] = default
        return super().setdefault(key, default)


def _by_device_and_dtype(x: Tensors, *others: Tensors) -> Iterable[tuple[Tensors, ...]]:
    """Split parallel lists into parts with one device and one dtype each; no parts if they are empty."""
    kinds = dict.fromkeys((param.device, param.dtype) for param in x)
    if len(kinds) == 1:
        return [(x, *others)]
    parts = []
    for kind in kinds:
        chosen = [i for i, param in enumerate(x) if (param.device, param.dtype) == kind]
        parts.append(tuple([tensors[i] for i in chosen] for tensors in (x, *others)))
    return parts


def _refuse_bad_group(group: dict[str, Any]) -> None:
    for name in ("lr", "initial_lr", "weight_decay"):
        value = group.get(name)
        if isinstance(value, Tensor) and value.dim() != 0:
            raise ValueError(f"{name} has shape {tuple(value.shape)}; it must be a number or a 0-dim tensor")
    for name in ("lr", "initial_lr"):
        if name in group and not 0 < group[name] < math.inf:
            raise ValueError(f"{name}={group[name]} must be above 0 and finite")
    if not (len(group["betas"]) == 2 and all(0 <= beta < 1 for beta in group["betas"])):
        raise ValueError(f"betas={group['betas']} must be two numbers in [0, 1)")
    granularity = group.get("granularity", "coordinate")
    if granularity not in ("coordinate", "layer", "network"):
        raise ValueError(f"granularity={granularity!r} is unknown; choose coordinate, layer or network")
    for name in ("eps", "weight_decay"):
        if not 0 <= group[name] < math.inf:
            raise ValueError(f"{name}={group[name]} must be 0 or above and finite")
