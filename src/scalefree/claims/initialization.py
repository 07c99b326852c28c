"""Open question: is the gap due to an initialisation that explodes with depth, and not to depth itself?"""

from scalefree.claims.advantage import PAIR, advantage, notes_of_best
from scalefree.claims.evidence import Evidence
from scalefree.claims.retention import Change, beyond_half, remaining
from scalefree.claims.selection import select
from scalefree.claims.settings import groups
from scalefree.claims.verdict import Question, Verdict, judged_at_best_cells
from scalefree.experiments.results import Criterion

QUESTION = Question(
    number="8",
    name="initialization",
    claim="An initialisation that does not explode with depth takes AdamW's advantage over Adam-l2 away.",
    statistic="AdamW's advantage from such an initialisation, minus half of its advantage from the paper's",
    unit="points",
    sense="below",
    threshold=0.0,
)


def judge(evidence: Evidence) -> Verdict:
    """From the settings that differ in the initialisation alone: each other one against the paper's."""
    chosen = select(evidence.settings("initialization"), PAIR)
    pairs = [
        (of_name["kaiming"], other)
        for of_name in groups(chosen.used, "model.initialization")
        if "kaiming" in of_name
        for name, other in of_name.items()
        if name != "kaiming"
    ]

    def changes(criterion: Criterion) -> list[Change]:
        return [Change(advantage(usual, criterion), advantage(other, criterion)) for usual, other in pairs]

    problem = chosen.problem or ("" if pairs else "no network has all its cells from two initialisations")
    notes = [*notes_of_best(chosen.used), *remaining(changes("test"))]
    asked = chosen._replace(problem=problem)
    return judged_at_best_cells(QUESTION, lambda c: beyond_half(changes(c)), asked, notes, evidence.profile)
