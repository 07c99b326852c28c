"""AdamW: the decay acts on the parameters alone."""

from typing import Any

from scalefree.optim import rules
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.rules import Tensors


class AdamW(AdamFamily):
    """AdamW in Loshchilov and Hutter's form; scale-free at eps = 0.

        x <- (1 - lambda eta) x - eta alpha m_hat / (sqrt(v_hat) + eps)

    `torch.optim.AdamW` multiplies its decay by lr: `weight_decay=lambda/alpha` there makes the same iterates.
    """

    rule = "adamw"

    def _update(self, group: dict[str, Any], x: Tensors, p: Tensors, d: Tensors) -> None:
        eta = group["lr"] / group["initial_lr"]
        rules.adamw(x, p, group["lr"], eta, group["weight_decay"])
