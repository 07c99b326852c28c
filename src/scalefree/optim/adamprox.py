"""AdamProx: the proximal step whose first-order expansion is AdamW."""

from scalefree.optim import rules
from scalefree.optim.adam_family import AdamFamily


class AdamProx(AdamFamily):
    """Adam's step on f, then the prox of eta lambda/2 |x|^2; scale-free at eps = 0.

        x <- (x - eta alpha m_hat / (sqrt(v_hat) + eps)) / (1 + lambda eta)

    One step differs from AdamW's by (lambda eta)^2 x + lambda eta^2 alpha p, to second order in eta.
    Arguments, state and errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adamprox)
