"""Open question: does raising eps, which breaks scale-freeness, take AdamW's advantage away?

If scale-freeness is what helps AdamW, it should. Adam-l2 is trained at the raised eps, too, where the profile has it;
otherwise it stays at 1e-8, which it is not scale-free at either.
"""

from scalefree.claims.across import SeedValues
from scalefree.claims.advantage import PAIR, TRAINED, best_cells, best_note, difference, mean_error
from scalefree.claims.evidence import Evidence
from scalefree.claims.labels import setting_label
from scalefree.claims.retention import Change, beyond_half, remaining
from scalefree.claims.selection import Selection, select
from scalefree.claims.settings import groups
from scalefree.claims.verdict import Question, Verdict, judged_at_best_cells
from scalefree.experiments import Point, Setting
from scalefree.experiments.results import Criterion

USUAL_EPS = 1e-8

QUESTION = Question(
    number="7",
    name="epsilon",
    claim="Raising eps, which breaks scale-freeness, takes AdamW's advantage over Adam-l2 away.",
    statistic="AdamW's advantage at the largest eps that still trains, minus half of its advantage at eps = 1e-8",
    unit="points",
    sense="below",
    threshold=0.0,
)


def _best(setting: Setting, usual: Setting, criterion: Criterion) -> dict[str, Point]:
    """The best cells at an eps, Adam-l2's at the usual one where it was not trained at this one."""
    source = setting if setting.of("adaml2") else usual
    return best_cells(source, ("adaml2",), criterion) | best_cells(setting, ("adamw",), criterion)


def _advantage(setting: Setting, usual: Setting, criterion: Criterion) -> SeedValues:
    best = _best(setting, usual, criterion)
    return difference(best["adaml2"], best["adamw"])


def _largest_trained(of_eps: dict[float, Setting]) -> float | None:
    """The largest raised eps at which AdamW, or Adam-l2 if it was trained there, still gets anywhere."""
    for eps in sorted(of_eps, reverse=True):
        tried = best_cells(of_eps[eps], of_eps[eps].optimizers, "test").values()
        if eps > USUAL_EPS and min(map(mean_error, tried)) <= TRAINED:
            return eps
    return None


def judge(evidence: Evidence) -> Verdict:
    """From the settings that differ in eps alone."""
    chosen = _select(evidence)
    pairs, notes = [], []
    for of_eps in groups(chosen.used, "optimizer.eps"):
        usual = of_eps.get(USUAL_EPS)
        if usual is None or not usual.of("adaml2"):
            continue
        for eps in sorted(of_eps):
            points = list(_best(of_eps[eps], usual, "test").values())
            notes.append(best_note(setting_label(of_eps[eps].config), points))
        largest = _largest_trained(of_eps)
        if largest is not None:
            pairs.append((usual, of_eps[largest]))

    def changes(criterion: Criterion) -> list[Change]:
        return [Change(_advantage(u, u, criterion), _advantage(raised, u, criterion)) for u, raised in pairs]

    problem = chosen.problem or ("" if pairs else "no network has all its cells at eps = 1e-8 and at a larger one")
    notes += remaining(changes("test"))
    asked = chosen._replace(problem=problem)
    return judged_at_best_cells(QUESTION, lambda c: beyond_half(changes(c)), asked, notes, evidence.profile)


def _select(evidence: Evidence) -> Selection:
    """The experiment's settings with all cells of whichever of the two optimizers they have."""
    both = select(evidence.settings("epsilon"), PAIR)
    alone = select((s for s in evidence.settings("epsilon") if not s.of("adaml2")), ("adamw",))
    used, lacking = both.used + alone.used, both.lacking + alone.lacking
    return Selection(PAIR, used, lacking, "" if used else both.problem)
