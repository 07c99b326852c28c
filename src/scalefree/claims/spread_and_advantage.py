"""Claim 5, second half: where Adam-l2's update scales spread out more, AdamW's advantage is larger."""

from statistics import mean

from scalefree.claims.advantage import PAIR, advantage
from scalefree.claims.evidence import Evidence, scope, select
from scalefree.claims.intervals import rank_correlation
from scalefree.claims.update_scale_spread import excess_spread
from scalefree.claims.verdict import Measured, Question, Verdict, judged
from scalefree.experiments import Criterion, Setting
from scalefree.records import run_label

# The paper shows a correlation, and a correlation is what is asked for: any that is surely above zero.
LEAST_CORRELATION = 0.0

QUESTION = Question(
    number="5b",
    name="spread_and_advantage",
    claim="AdamW's advantage is larger where Adam-l2's update scales spread out more than AdamW's.",
    statistic="Spearman's correlation over all trained settings between the difference in spread (interquartile range of "
    "log2 |update|/alpha, Adam-l2 minus AdamW at best cells) and the advantage (difference of test error)",
    unit="",
    sense="above",
    threshold=LEAST_CORRELATION,
)


def _places(settings: list[Setting], criterion: Criterion) -> list[tuple[float, float]]:
    """(difference in spread, advantage) of every setting that has both, means over its seeds."""
    rows = [(excess_spread(setting, criterion), advantage(setting, criterion)) for setting in settings]
    return [(mean(spread.values()), mean(gain.values())) for spread, gain in rows if spread and gain]


def _measure(settings: list[Setting], criterion: Criterion) -> Measured | None:
    places = _places(settings, criterion)
    if criterion == "validation" and not places:
        return None
    correlation, interval = rank_correlation([x for x, _ in places], [y for _, y in places], "settings")
    if correlation is None:
        return Measured(problem="no two settings with different spreads and advantages have update scales")
    problem = "" if interval else f"{len(places)} settings are too few for an interval, which needs five"
    return Measured(correlation, interval, problem)


def judge(evidence: Evidence) -> Verdict:
    """From every setting of every experiment in which both optimizers have all their cells."""
    chosen = select(evidence.settings(*sorted(evidence.results)), PAIR)
    by_test = Measured(problem=chosen.problem)
    by_validation = None
    notes = []
    if not chosen.problem:
        by_test = _measure(chosen.used, "test") or by_test
        by_validation = _measure(chosen.used, "validation")
        for setting in chosen.used:
            for spread, gain in _places([setting], "test"):
                notes.append(f"{_label(setting)}: {spread:+.2f} powers of two, {gain:+.1f} points")
        notes.append("a correlation over settings that were chosen, not drawn: it is no cause")
    return judged(QUESTION, by_test, by_validation, scope(evidence.profile, chosen.used + chosen.lacking, PAIR), notes)


def _label(setting: Setting) -> str:
    """The run label without what varies within a setting."""
    config = setting.config
    chosen = {config.optimizer.name, f"seed{config.seed}"}
    parts = run_label(config).replace("e-", "e~").split("-")
    kept = [part.replace("~", "-") for part in parts if part not in chosen and part[:2] not in ("lr", "wd")]
    return "-".join(kept)
