"""Open question: how large is AdamW's advantage over several seeds and initialisations?

At cells fixed beforehand, so that no choice among noisy cells flatters either optimizer.
"""

from statistics import mean, stdev

from scalefree.claims.across import mean_across
from scalefree.claims.advantage import LEAST_ADVANTAGE, LEAST_SPREAD, PAIR, advantage, is_usual_without_bn
from scalefree.claims.evidence import Evidence
from scalefree.claims.labels import setting_label
from scalefree.claims.selection import select
from scalefree.claims.verdict import Question, Verdict, judged_at_best_cells

QUESTION = Question(
    number="10",
    name="seeds",
    claim="In the deepest network without BatchNorm, AdamW's advantage over Adam-l2 exceeds what seeds change.",
    statistic="mean over seeds of the difference of final test error, Adam-l2 minus AdamW, at cells fixed beforehand",
    unit="points",
    sense="above",
    threshold=LEAST_ADVANTAGE,
)


def judge(evidence: Evidence) -> Verdict:
    """From the deepest network of the experiment on seeds; the others are in the notes."""
    chosen = select(evidence.settings("seeds"), PAIR, is_usual_without_bn)
    notes = []
    for setting in chosen.used:
        values = list(advantage(setting, "test").values())
        if len(values) < 2:
            continue
        spread = stdev(values)
        size = f", {mean(values) / spread:.1f} standard deviations of a seed" if spread else ""
        notes.append(f"{setting_label(setting.config)}: {mean(values):+.1f} points over {len(values)} seeds{size}")
    deepest = sorted(chosen.used, key=lambda setting: setting.config.model.depth)[-1:]
    return judged_at_best_cells(
        QUESTION,
        lambda criterion: mean_across([advantage(setting, criterion) for setting in deepest], LEAST_SPREAD),
        chosen,
        notes,
        evidence.profile,
    )
