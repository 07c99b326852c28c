"""Convert the paper's lambda to the weight decay of other libraries, and back.

The paper's rules, with initial step size alpha and schedule eta_t in [0, 1], so that lr_t = eta_t alpha:

    AdamW      x <- (1 - lambda eta_t) x - eta_t alpha p
    AdamProx   x <- (x - eta_t alpha p) / (1 + lambda eta_t)
    Adam-l2    g <- g + lambda x, before both moments

Most libraries also multiply the decay by lr_t, so lambda corresponds to their lambda / alpha. Some ignore the schedule
or follow its square: then the two decays agree only under a constant schedule, and `CONVENTIONS` says so.
docs/lambda.md lists the library versions compared; tests check that page against this table and against the libraries'
own steps.
"""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Convention:
    """How the decay is written in one way of calling a library.

    Attributes:
        call: the call; `w` is the library's decay, `lr` a number or a schedule, `eta` the schedule alone.
        rule: the paper's rule that it implements: "AdamW", "AdamProx" or "Adam-l2".
        times_lr: whether the library multiplies w by lr_t.
        sign: -1 if decay is written as a negative w.
        schedule: what a step's decay is proportional to: "eta" as in the paper, "1" or "eta^2"; for Adam-l2, whose
            decay passes through the moments, it is "eta".
    """

    call: str
    rule: str
    times_lr: bool = False
    sign: int = 1
    schedule: str = "eta"

    def _factor(self, lr: float) -> float:
        """w / lambda."""
        if not 0 < lr < math.inf:
            raise ValueError(f"lr={lr} must be above 0 and finite; give the initial step size, alpha")
        return self.sign / lr if self.times_lr else float(self.sign)


CONVENTIONS = {
    "torch.optim.AdamW": Convention("torch.optim.AdamW(params, lr, weight_decay=w)", "AdamW", times_lr=True),
    "torch.optim.Adam, decoupled": Convention(
        "torch.optim.Adam(params, lr, weight_decay=w, decoupled_weight_decay=True)", "AdamW", times_lr=True
    ),
    "torch.optim.Adam": Convention("torch.optim.Adam(params, lr, weight_decay=w)", "Adam-l2"),
    "optax.adamw": Convention("optax.adamw(lr, weight_decay=w)", "AdamW", times_lr=True),
    "optax, decay before the learning rate": Convention(
        "optax.chain(scale_by_adam(), add_decayed_weights(w), scale_by_learning_rate(lr))", "AdamW", times_lr=True
    ),
    "optax, decay before the schedule": Convention(
        "optax.chain(scale_by_adam(), scale(alpha), add_decayed_weights(w), scale_by_learning_rate(eta))", "AdamW"
    ),
    "optax, decay last": Convention(
        "optax.chain(scale_by_adam(), scale_by_learning_rate(lr), add_decayed_weights(w))",
        "AdamW", sign=-1, schedule="1",
    ),
    "optax, decay first": Convention(
        "optax.chain(add_decayed_weights(w), scale_by_adam(), scale_by_learning_rate(lr))", "Adam-l2"
    ),
    "timm, adamw": Convention(
        "timm.optim.create_optimizer_v2(model, 'adamw', lr, weight_decay=w)", "AdamW", times_lr=True
    ),
    "timm, adam": Convention("timm.optim.create_optimizer_v2(model, 'adam', lr, weight_decay=w)", "Adam-l2"),
    "timm.optim.AdamWLegacy": Convention("timm.optim.AdamWLegacy(params, lr, weight_decay=w)", "AdamW", times_lr=True),
    "timm.optim.AdamWLegacy, corrected": Convention(
        "timm.optim.AdamWLegacy(params, lr, weight_decay=w, corrected_weight_decay=True)",
        "AdamW", times_lr=True, schedule="eta^2",
    ),
    "timm.optim.Adan": Convention("timm.optim.Adan(params, lr, weight_decay=w)", "AdamProx", times_lr=True),
    "pytorch_optimizer, decoupled": Convention(
        "pytorch_optimizer.QHAdam(params, lr, weight_decay=w, weight_decouple=True)", "AdamW", times_lr=True
    ),
    "pytorch_optimizer, fixed": Convention(
        "pytorch_optimizer.QHAdam(params, lr, weight_decay=w, weight_decouple=True, fixed_decay=True)",
        "AdamW", schedule="1",
    ),
    "pytorch_optimizer, coupled": Convention(
        "pytorch_optimizer.QHAdam(params, lr, weight_decay=w, weight_decouple=False)", "Adam-l2"
    ),
    "pytorch_optimizer.Adan": Convention(
        "pytorch_optimizer.Adan(params, lr, weight_decay=w)", "AdamProx", times_lr=True
    ),
}  # fmt: skip


# Classes with different steps whose decay is written like one above, as measured in docs/atlas.md.
ALIKE = {
    "torch.optim.Adafactor": "torch.optim.AdamW",
    "torch.optim.NAdam": "torch.optim.Adam",
    "torch.optim.RAdam": "torch.optim.Adam",
    "pytorch_optimizer.Lion": "pytorch_optimizer.QHAdam",
}


def _call(text: str) -> tuple[str, dict[str, bool]]:
    """The name that a call calls, and the boolean arguments that it passes."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    given = {word.arg: word.value.value for word in call.keywords if word.arg and isinstance(word.value, ast.Constant)}
    return ast.unparse(call.func), {name: value for name, value in given.items() if isinstance(value, bool)}


def convention_of(target: str, arguments: Mapping[str, Any]) -> str | None:
    """The name in `CONVENTIONS` for a class called with these arguments; None if it is not known."""
    calls = {name: _call(one.call) for name, one in CONVENTIONS.items()}
    of_class = {name: given for name, (of, given) in calls.items() if of == ALIKE.get(target, target)}
    switches = {switch for given in of_class.values() for switch in given} | {"weight_decouple", "fixed_decay"}
    chosen = {switch: arguments[switch] for switch in switches if switch in arguments}
    # False is the same as leaving the switch out, unless one of the calls passes False: then the default is not False.
    said = {switch for given in of_class.values() for switch, value in given.items() if not value}
    plain = {switch: value for switch, value in chosen.items() if value is not False or switch in said}
    return next((name for name, given in of_class.items() if given == plain), None)


def to_library(name: str, weight_decay: float, lr: float) -> float:
    """The library's weight decay for the paper's lambda.

        to_library("torch.optim.AdamW", 1e-4, lr=1e-3)  # 0.1

    Args:
        name: a key of `CONVENTIONS`.
        weight_decay: lambda, at least 0.
        lr: alpha, the initial step size.

    Raises:
        ValueError: an unknown name, a negative lambda, or an lr that is not above 0.
    """
    if not 0 <= weight_decay < math.inf:
        raise ValueError(f"weight_decay={weight_decay} must be at least 0 and finite")
    return weight_decay * _convention(name)._factor(lr) + 0.0  # no -0


def from_library(name: str, written: float, lr: float) -> float:
    """The paper's lambda for a library's weight decay: the inverse of `to_library`.

        from_library("optax.adamw", 1e-4, lr=1e-3)  # 1e-7

    Raises:
        ValueError: an unknown name, an lr that is not above 0, or a value whose sign makes weights grow.
    """
    weight_decay = written / _convention(name)._factor(lr) + 0.0
    if not 0 <= weight_decay < math.inf:
        raise ValueError(f"{name} with {written} does not decay: lambda would be {weight_decay}; check its sign")
    return weight_decay


def _convention(name: str) -> Convention:
    if name not in CONVENTIONS:
        raise ValueError(f"{name!r} is unknown; choose one of {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]


def table() -> str:
    """`CONVENTIONS` as a Markdown table: how lambda is written, and under which schedules it is the paper's rule."""
    same = {"eta": "any", "1": "only constant: ignores it", "eta^2": "only constant: follows its square"}
    lines = ["| name | call | the paper's | w for lambda | holds under which schedule |", "|---|---|---|---|---|"]
    for name, one in CONVENTIONS.items():
        written = f"{'-' if one.sign < 0 else ''}lambda{' / alpha' if one.times_lr else ''}"
        lines.append(f"| {name} | `{one.call}` | {one.rule} | {written} | {same[one.schedule]} |")
    return "\n".join(lines) + "\n"
