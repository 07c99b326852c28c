"""AdamW: the decay acts on the parameters alone."""

from scalefree.optim import rules
from scalefree.optim.adam_family import AdamFamily


class AdamW(AdamFamily):
    """AdamW in Loshchilov and Hutter's form; scale-free at eps = 0.

        x <- (1 - lambda eta) x - eta alpha m_hat / (sqrt(v_hat) + eps)

    The decay follows the schedule but not the step size; `torch.optim.AdamW` multiplies it by lr, so that
    `weight_decay=lambda/alpha` there makes the same iterates. Arguments, state and errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adamw)
