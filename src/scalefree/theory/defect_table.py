"""The defects of our rules and of torch's own optimizers, in one table.

It shows that rules which divide a gradient by a norm of past gradients are scale-free at eps = 0, and nearly so at eps
= 1e-8, unless something with another scale is added to the gradient. Weight decay through the gradient does that
(Adam-l2; Adam, RMSprop and Adagrad with decay), and the prox in Adam's metric has the same effect. RAdam is an
exception: its first five steps are plain momentum, which keeps the gradient's scale.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import optim as torch_optim
from torch.nn import Parameter
from torch.optim import Optimizer

from scalefree import optim
from scalefree.optimizers import ADAM, TRAINS_ADAM
from scalefree.theory.scale_freeness import scale_free_defect
from scalefree.theory.walk import MakeOptimizer

LR = 1e-2
DECAY = 1e-2  # the paper's lambda; torch's AdamW multiplies its decay by lr and is therefore given lambda / alpha
EPSILONS = (0.0, 1e-8)

OURS = "scalefree.optim"
TORCH = "torch.optim"


class Defect(NamedTuple):
    """A row: the defect at `eps` of an optimizer of the package `source`; `eps` is None if it has no eps.

    `name` is the key of one of our rules, with decay, or describes what was computed.
    """

    source: str
    name: str
    eps: float | None
    defect: float


# The rules that are Adam at lambda = 0 are the same algorithm there.
NO_DECAY = f"{ADAM}, no decay"
# Constructors called with (params, lr=LR, eps=...).
_OURS: dict[str, Callable[..., Optimizer]] = {
    NO_DECAY: optim.RULES[TRAINS_ADAM],
    **{key: partial(rule, weight_decay=DECAY) for key, rule in optim.RULES.items()},
}
_TORCH: dict[str, Callable[..., Optimizer]] = {
    "Adam": torch_optim.Adam,
    "AMSGrad": partial(torch_optim.Adam, amsgrad=True),
    "AdamW, converted decay": partial(torch_optim.AdamW, weight_decay=DECAY / LR),
    "NAdam": torch_optim.NAdam,
    "Adamax": torch_optim.Adamax,
    "RMSprop": torch_optim.RMSprop,
    "RMSprop, centred": partial(torch_optim.RMSprop, centered=True),
    "Adagrad": torch_optim.Adagrad,
    "RAdam": torch_optim.RAdam,
    "Adam, decay": partial(torch_optim.Adam, weight_decay=DECAY),
    "AMSGrad, decay": partial(torch_optim.Adam, amsgrad=True, weight_decay=DECAY),
    "RMSprop, decay": partial(torch_optim.RMSprop, weight_decay=DECAY),
    "Adagrad, decay": partial(torch_optim.Adagrad, weight_decay=DECAY),
}
# Adadelta does not move at eps = 0; Adafactor's two eps mean something else; the others have no eps, or none that is
# added to a norm of their own coordinate's gradients.
_WITHOUT_EPS: dict[str, MakeOptimizer] = {
    "Rprop": torch_optim.Rprop,
    "SGD": partial(torch_optim.SGD, lr=LR),
    "SGD, momentum": partial(torch_optim.SGD, lr=LR, momentum=0.9),
    "ASGD": partial(torch_optim.ASGD, lr=LR),
    "Muon": partial(torch_optim.Muon, lr=LR, weight_decay=0.0),
    "Adafactor": torch_optim.Adafactor,
    "Adadelta": torch_optim.Adadelta,
}


def _at(make_optimizer: Callable[..., Optimizer], eps: float) -> MakeOptimizer:
    def make(params: list[Parameter]) -> Optimizer:
        return make_optimizer(params, lr=LR, eps=eps)

    return make


def defect_table() -> list[Defect]:
    """`scale_free_defect` with its default settings: our rules, then torch's, at eps = 0 and 1e-8.

    Every lr is 1e-2 except where torch's default is part of the method (Rprop, Adafactor, Adadelta); decay, if named,
    is lambda = 1e-2. 45 pairs of runs of 100 steps: 2 seconds on one core.
    """
    rows = []
    for source, table in ((OURS, _OURS), (TORCH, _TORCH)):
        for name, make_optimizer in table.items():
            for eps in EPSILONS:
                rows.append(Defect(source, name, eps, scale_free_defect(_at(make_optimizer, eps))))
    for name, make_without_eps in _WITHOUT_EPS.items():
        rows.append(Defect(TORCH, name, None, scale_free_defect(make_without_eps)))
    return rows
