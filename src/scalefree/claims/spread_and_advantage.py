"""Claim 5, its second half: where Adam-l2's update scales spread out more, AdamW's advantage is larger."""

from collections.abc import Sequence
from statistics import mean

from scalefree.claims.advantage import PAIR, advantage
from scalefree.claims.evidence import Evidence
from scalefree.claims.intervals import rank_correlation
from scalefree.claims.labels import setting_label
from scalefree.claims.selection import select
from scalefree.claims.update_scale_spread import excess_spread
from scalefree.claims.verdict import Measured, Question, Verdict, judged_at_best_cells
from scalefree.experiments import Setting
from scalefree.experiments.results import Criterion

# The paper shows a correlation, and so any that is surely above zero will do.
LEAST_CORRELATION = 0.0
# All that train Adam-l2 and AdamW; a setting that several have is taken from the first.
EXPERIMENTS = ("without_bn", "with_bn", "depth", "loss_scale", "epsilon", "initialization", "metric_prox", "seeds")

QUESTION = Question(
    number="5b",
    name="spread_and_advantage",
    claim="AdamW's advantage is larger where Adam-l2's update scales spread out more than AdamW's.",
    statistic="Spearman's correlation over all settings between the difference in spread (interquartile range of "
    "log2 |update|/alpha, Adam-l2 minus AdamW at best cells) and the advantage (test error of Adam-l2 minus AdamW's)",
    unit="",
    sense="above",
    threshold=LEAST_CORRELATION,
)


def _places(settings: Sequence[Setting], criterion: Criterion) -> list[tuple[float, float]]:
    """(difference in spread, advantage) of every setting that has both, means over its seeds."""
    rows = [(excess_spread(setting, criterion), advantage(setting, criterion)) for setting in settings]
    return [(mean(spread.values()), mean(gain.values())) for spread, gain in rows if spread and gain]


def _measure(settings: Sequence[Setting], criterion: Criterion) -> Measured:
    places = _places(settings, criterion)
    correlation, interval = rank_correlation([x for x, _ in places], [y for _, y in places], "settings")
    if correlation is None:
        return Measured(problem="no two settings with update scales differ in spread and advantage")
    problem = "" if interval else f"{len(places)} settings with update scales; an interval needs five"
    return Measured(correlation, interval, problem)


def judge(evidence: Evidence) -> Verdict:
    """From every setting in which both optimizers have all their cells."""
    chosen = select(evidence.settings(*EXPERIMENTS), PAIR)
    notes = [
        f"{setting_label(setting.config)}: {spread:+.2f} powers of two, {gain:+.1f} points"
        for setting in chosen.used
        for spread, gain in _places([setting], "test")
    ]
    notes.append("The settings were chosen, not drawn at random, and a correlation is no cause")
    return judged_at_best_cells(QUESTION, lambda c: _measure(chosen.used, c), chosen, notes, evidence.profile)
