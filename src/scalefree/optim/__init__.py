"""Five ways to add weight decay to Adam, and the idea of the paper on one page.

Write `p = m_hat / (sqrt(v_hat) + eps)` for Adam's direction, `alpha` for the initial step size, `eta` for the
schedule and `lambda` for the weight decay. The rules differ only in where lambda goes:

    Adam-l2          g <- g + lambda x  before m and v;   x <- x - eta alpha p                scale-free: no
    AdamW            x <- (1 - lambda eta) x - eta alpha p                                    scale-free: yes
    AdamProx         x <- (x - eta alpha p) / (1 + lambda eta)                                scale-free: yes
    AdamMetricProx   x <- (x - eta alpha p) / (1 + lambda eta alpha / (sqrt(v_hat) + eps))    scale-free: no
    AdamScaledL2     g <- g + (lambda / alpha) s x  before m and v, s the size of g;   x <- x - eta alpha p
                                                                                              scale-free: yes

*Scale-free* means that multiplying each coordinate of every gradient by its own positive constant leaves the
iterates unchanged. With eps = 0 the direction p has this property, because both m and sqrt(v) scale with the constant.
AdamW and AdamProx keep it, because their decay never meets a gradient. Adam-l2 loses it, because lambda x is
added to a gradient whose scale is arbitrary: where gradients are tiny the decay dominates, and where they are huge it
vanishes. In a deep network without BatchNorm the layers' gradients differ by orders of magnitude; the paper's
hypothesis is that this is why AdamW beats Adam-l2 there, and not with BatchNorm.

*Proximal* means that lambda/2 |x|^2 is not linearised but minimised together with the step. AdamProx goes to
argmin_y  lambda/2 |y|^2 + <alpha p, y> + |y - x|^2 / (2 eta). Since 1 / (1 + lambda eta) = 1 - lambda eta +
O(eta^2), AdamW is its first-order expansion in eta. AdamMetricProx takes the same step in Adam's own metric
D = sqrt(v_hat) + eps: proximal but not scale-free, so it separates the two ideas.

AdamW differs from Adam-l2 in two ways at once: its decay stays out of the moments, and it is scale-free. AdamScaledL2
mixes its decay into the moments as Adam-l2 does but is still scale-free, so that the two properties can be separated:

                                scale-free             not scale-free
    decay outside the moments   AdamW, AdamProx        AdamMetricProx
    decay inside the moments    AdamScaledL2           Adam-l2

At lambda = 0 the five are the same algorithm, bit for bit. Read on in `rules` (the equations), `adam_family` (the torch
optimizers) and `schedules` (eta).
"""

from scalefree.optim.adam_family import RULES, AdamL2, AdamMetricProx, AdamProx, AdamScaledL2, AdamW

__all__ = ["RULES", "AdamL2", "AdamMetricProx", "AdamProx", "AdamScaledL2", "AdamW"]
