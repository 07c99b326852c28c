"""The prox in Adam's own metric: proximal, but not scale-free."""

from scalefree.optim import rules
from scalefree.optim.adam_family import AdamFamily


class AdamMetricProx(AdamFamily):
    """The proximal step in the metric that Adam itself uses (Schaipp 2023, "Decay No More", calls it AdamP).

        x <- (x - eta alpha m_hat / D) / (1 + eta alpha lambda / D),   D = sqrt(v_hat) + eps

    Each coordinate shrinks by an amount that depends on the scale of its gradients: not scale-free for lambda
    > 0. At eps = 0 a coordinate that never had a gradient goes to 0 for lambda > 0, the limit of the
    equation. Arguments, state and errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adam_metric_prox)
