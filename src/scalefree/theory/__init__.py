"""The paper's theory as code: what can be computed without training a network.

- `scale_freeness`: the defect of any torch optimizer; `defect_table`: ours and torch's side by side;
- `atlas`, `atlas_page`: the same and more for every optimizer of torch and pytorch_optimizer;
- `prox_expansion`: AdamW and AdamProx compared over one step and over whole trajectories;
- `quadratics`: steps against condition number, on the problems of `hessians`;
- `adagrad_restarts`: linear convergence without knowing the scale of any coordinate.
"""

from scalefree.theory.defect_table import Defect, defect_table
from scalefree.theory.scale_freeness import scale_free_defect, spread_factors

__all__ = ["Defect", "defect_table", "scale_free_defect", "spread_factors"]
