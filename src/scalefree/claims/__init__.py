"""The paper's claims and the questions it leaves open, each judged from the records in the store."""

from pathlib import Path

from scalefree.claims import planned
from scalefree.claims.page import from_json, markdown, to_json, write_page
from scalefree.claims.verdict import Question, Verdict, adjusted
from scalefree.experiments.evidence import Evidence

__all__ = [
    "Question",
    "Verdict",
    "from_json",
    "judge_all",
    "markdown",
    "to_json",
    "write",
]


def judge_all(evidence: Evidence) -> list[Verdict]:
    """Judge every claim that the profile tests, in numerical order; the theory takes about 5 seconds."""
    # Imported here because theory needs torch, which the figures, which import this package, do not.
    from scalefree.claims import conditioning, prox_expansion, scale_free_rules

    computed = [prox_expansion.judge(), scale_free_rules.judge(), conditioning.judge()]
    return adjusted([*computed, *planned.judge(evidence)])


def write(evidence: Evidence) -> list[Path]:
    """Judge every claim and write `RESULTS/claims/<profile>.md` and `.json`; returns their paths."""
    return write_page(evidence.profile, judge_all(evidence), evidence.store.root / "claims")
