"""Adam with l2 regularisation: the decay goes through the gradient, and so through both moments."""

from scalefree.optim import rules
from scalefree.optim.adam_family import AdamFamily


class AdamL2(AdamFamily):
    """Adam on f(x) + lambda/2 |x|^2; `torch.optim.Adam(weight_decay=lambda)` makes the same iterates.

        g <- g + lambda x;   x <- x - eta alpha m_hat / (sqrt(v_hat) + eps)

    Not scale-free for lambda > 0: scaling the gradients of f does not scale lambda x. Arguments, state and
    errors: see `AdamFamily`.
    """

    rule = staticmethod(rules.adaml2)
