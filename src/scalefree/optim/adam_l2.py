"""Adam with l2 regularisation: the decay goes through the gradient, and so through both moments."""

from typing import Any

from scalefree.optim import rules
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.rules import Tensors


class AdamL2(AdamFamily):
    """Adam on F(x) = f(x) + lambda/2 |x|^2; `torch.optim.Adam(weight_decay=lambda)` makes the same iterates.

        g <- g + lambda x;   x <- x - eta alpha m_hat / (sqrt(v_hat) + eps)

    Not scale-free for lambda > 0: scaling f's gradients does not scale lambda x, so their ratio changes.
    """

    rule = "adaml2"

    def _gradient(self, group: dict[str, Any], x: Tensors, g: Tensors) -> Tensors:
        return rules.add_l2_gradient(x, g, group["weight_decay"])

    def _update(self, group: dict[str, Any], x: Tensors, p: Tensors, d: Tensors) -> None:
        rules.adam(x, p, group["lr"])
