"""The paper's claims and the questions it leaves open, each judged from what the store holds."""

from collections.abc import Callable
from pathlib import Path

from scalefree.claims import (
    advantage_with_depth,
    advantage_without_bn,
    batch_norm_parity,
    conditioning,
    epsilon,
    initialization,
    loss_scale,
    metric_prox,
    prox_expansion,
    scale_free_rules,
    seeds,
    spread_and_advantage,
    update_scale_spread,
)
from scalefree.claims.evidence import Evidence, gather
from scalefree.claims.intervals import Interval
from scalefree.claims.page import from_json, markdown, table, to_json, write_page
from scalefree.claims.verdict import Confirmation, Question, Verdict

__all__ = [
    "CLAIMS",
    "Confirmation",
    "Evidence",
    "Interval",
    "Question",
    "Verdict",
    "from_json",
    "gather",
    "judge_all",
    "markdown",
    "table",
    "to_json",
    "write",
]

# In the order of the specification, the open questions last.
CLAIMS: tuple[Callable[[Evidence], Verdict], ...] = (
    prox_expansion.judge,
    scale_free_rules.judge,
    conditioning.judge,
    batch_norm_parity.judge,
    advantage_without_bn.judge,
    advantage_with_depth.judge,
    update_scale_spread.judge,
    spread_and_advantage.judge,
    loss_scale.judge,
    epsilon.judge,
    initialization.judge,
    metric_prox.judge,
    seeds.judge,
)


def judge_all(profile: str, results_dir: str | Path) -> list[Verdict]:
    """Every claim, judged from the records below `results_dir`, which need not exist; about 5 seconds of theory.

    Raises:
        ConfigError: an unknown profile.
    """
    evidence = gather(profile, results_dir)
    return [judge(evidence) for judge in CLAIMS]


def write(profile: str, results_dir: str | Path) -> list[Path]:
    """Judge every claim and write `RESULTS/claims/<profile>.md` and `.json`; returns their paths."""
    return write_page(profile, judge_all(profile, results_dir), Path(results_dir).expanduser() / "claims")
