"""The prox in Adam's own metric: proximal, but not scale-free."""

from typing import Any

from scalefree.optim import rules
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.rules import Tensors


class AdamMetricProx(AdamFamily):
    """The proximal step in the metric that Adam itself uses (Schaipp 2023, "Decay No More", calls it AdamP).

        x <- (x - eta alpha m_hat / D) / (1 + eta alpha lambda / D),   D = sqrt(v_hat) + eps

    Each coordinate shrinks by an amount that depends on its gradients' scale, so it tells "proximal" from
    "scale-free". At eps = 0 a coordinate that never had a gradient goes to 0 for lambda > 0.
    """

    rule = "adam_metric_prox"

    def _update(self, group: dict[str, Any], x: Tensors, p: Tensors, d: Tensors) -> None:
        rules.adam_metric_prox(x, p, d, group["lr"], group["weight_decay"], group["eps"])
