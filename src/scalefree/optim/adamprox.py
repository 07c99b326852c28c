"""AdamProx: the regulariser is not differentiated but minimised, in a proximal step."""

from typing import Any

from scalefree.optim import rules
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.rules import Tensors


class AdamProx(AdamFamily):
    """The proximal step for F(x) = f(x) + lambda/2 |x|^2 with the metric eta I; scale-free at eps = 0.

        x <- (x - eta alpha m_hat / (sqrt(v_hat) + eps)) / (1 + lambda eta)

    AdamW is its first-order Taylor expansion in eta.
    """

    rule = "adamprox"

    def _update(self, group: dict[str, Any], x: Tensors, p: Tensors, d: Tensors) -> None:
        eta = group["lr"] / group["initial_lr"]
        rules.adamprox(x, p, group["lr"], eta, group["weight_decay"])
