"""Is it scale-freeness, or is it decoupling? Four methods against depth, and the planned contrasts between them."""

from scalefree.claims.planned import judge
from scalefree.experiments.evidence import Evidence
from scalefree.experiments.names import network_name
from scalefree.figures.by_depth import CORNERS, depths, draw_by_depth, points_by_depth
from scalefree.figures.caption import SEEDS_NOTE, caption, chosen_how
from scalefree.figures.contrasts import Contrast
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.estimates import ROWS_NOTE, draw_rows, error_of
from scalefree.figures.style import MINUS, method_entries, new_figure

# The planned contrasts, in the order of their rows.
CONTRASTS = (
    Contrast("scale-freeness lowers the error", numbers=("11a",)),
    Contrast("decoupling lowers the error", numbers=("11b",)),
    Contrast(f"metric prox {MINUS} scaled Adam-l2", numbers=("11d",)),
    Contrast(f"Adam-l2 {MINUS} AdamW", numbers=("4b",)),
)


def draw(evidence: Evidence, entry: Entry) -> Pages:
    """Errors against depth, and beside them the contrasts of the deepest network."""
    points = points_by_depth(evidence)
    if not points:
        return {}
    methods = [method for method in CORNERS if any(method in of for of in points.values())]
    shown = [point for of in points.values() for point in of.values()]
    text = caption(evidence, shown, [SEEDS_NOTE, ROWS_NOTE, chosen_how(evidence)])
    figure = new_figure(3.3, entry.title, text, method_entries(methods))
    errors, contrasts = figure.subplots(1, 2, width_ratios=(1.15, 1))
    draw_by_depth(errors, points, methods, error_of, "final test error (%)")
    deepest = depths(evidence)[-1]
    verdicts = judge(evidence, [number for contrast in CONTRASTS for number in contrast.numbers])
    rows = [contrast.measured_in(evidence, deepest, verdicts) for contrast in CONTRASTS]
    draw_rows(contrasts, [row[0] for row in rows if row is not None])
    errors.set_title("a  four ways to decay, without BatchNorm")
    contrasts.set_title(f"b  {network_name(deepest)}: what makes the difference")
    contrasts.set_xlabel("test error (points)")
    return {entry.name: figure}
