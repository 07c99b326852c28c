"""A row of the table of claims and how it is judged: in which networks, and with which notes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scalefree.claims.at import At, is_asked
from scalefree.claims.verdict import Measured, Question, Verdict, decide, finite, measured_over_seeds
from scalefree.experiments.arms import Network
from scalefree.experiments.evidence import Evidence, Missing, cell_owner, errors
from scalefree.experiments.intervals import mean_interval
from scalefree.experiments.names import cell_name, chance_error, scope
from scalefree.experiments.pairs import SeedValues

# Lower bounds of a difference's standard deviation over seeds, in points and in shares or powers of two.
LEAST_SPREAD, LEAST_SCALAR_SPREAD = 0.1, 0.01
# How many points below the error of guessing an error must be for something to have been learnt.
LEARNT = 5.0
# The significance level of a test that accompanies an interval.
SIGNIFICANT = 0.05
# Networks without BatchNorm from the usual initialisation: each, the shallowest, the deepest, all but the shallowest;
# those with BatchNorm; networks without BatchNorm from any initialisation, from those that do not explode, and of these
# only from Fixup. In each case only networks where the profile plans the claim's runs.
Where = Literal["each", "first", "deepest", "deeper", "batch_norm", "without_batch_norm", "tame", "fixup"]


@dataclass(frozen=True)
class Claim:
    """A row.

    Attributes:
        measure: the statistic by seed, or a `Measured` if it does not have a value for each seed.
        where_under: profiles that test it in other networks than `where` says.
        least_spread: see `mean_interval`.
        objection: why the profile cannot test it although the runs exist.
        over_methods: a second p, which must also be at most 0.05, if the comparison is not only over seeds.
        beside: other values to show with the statistic if they were trained, by name.
        exploratory: whether it was thought of after records that judge it had been seen, so that no profile plans it.
    """

    question: Question
    measure: Callable[[At], SeedValues | Measured]
    where: Where = "each"
    where_under: Mapping[str, Where] = field(default_factory=dict)
    least_spread: float = LEAST_SPREAD
    objection: Callable[[At], str] | None = None
    over_methods: Callable[[At], float] | None = None
    beside: Mapping[str, Callable[[At], SeedValues]] = field(default_factory=dict)
    exploratory: bool = False


def _networks(claim: Claim, evidence: Evidence) -> list[Network]:
    """The networks in which the profile tests the claim, from shallow to deep."""
    where = claim.where_under.get(evidence.profile, claim.where)
    usual = [network for network in evidence.networks if network.is_usual]
    among: dict[Where, Sequence[Network]] = {
        "each": usual,
        "first": usual,
        "deepest": usual[-1:],
        "deeper": usual[1:],
        "batch_norm": [n for n in evidence.networks if n.batch_norm],
        "without_batch_norm": [n for n in evidence.networks if not n.batch_norm],
        "tame": [n for n in evidence.networks if not n.batch_norm and n.initialization != "kaiming"],
        "fixup": [n for n in evidence.networks if n.initialization == "fixup"],
    }
    asked = [network for network in among[where] if is_asked(claim.measure, evidence, network)]
    return asked[:1] if where == "first" else asked


def _vacuous(claim: Claim, at: At) -> str:
    """Why agreement (or no harm) means nothing: no run learnt more than guessing; empty if one did."""
    if claim.question.sense not in ("within", "below"):
        return ""
    for point in at.used.values():
        guessing = chance_error(point.results[0].config.dataset)
        if guessing is None or errors(point).mean < 100 * guessing - LEARNT:
            return ""
    return "not testable: none of the compared methods learnt more than guessing"


def _measured(claim: Claim, at: At) -> Measured:
    """Everything measured for a claim in one network.

    Raises:
        Missing: some of what it compares is missing.
    """
    found = claim.measure(at)
    measured = found if isinstance(found, Measured) else measured_over_seeds(claim.question, found, claim.least_spread)
    if measured.problem:
        return measured
    if objection := _vacuous(claim, at) or (claim.objection(at) if claim.objection is not None else ""):
        return dataclasses.replace(measured, chance=1.0, problem=objection)
    if claim.over_methods is not None:
        chance = claim.over_methods(at)
        doubt = f"chance would order the methods this well with p = {chance:.2g}" if chance > SIGNIFICANT else ""
        return dataclasses.replace(measured, chance=max(chance, measured.chance), doubt=doubt)
    return measured


def _beside(claim: Claim, at: At) -> list[str]:
    """Notes on the values shown with a claim's statistic, as far as the profile trains them."""
    notes = []
    for name, measure in claim.beside.items():
        try:
            # A separate `At`, so that these cells are not counted among the claim's own.
            values = measure(At(at.evidence, at.network))
        except Missing as lack:
            if lack.asked:
                notes.append(f"{name}: {lack}")
            continue
        if not values:
            notes.append(f"{name}: no seed has all the runs to compare")
            continue
        interval = mean_interval(list(values.values()), "seeds", claim.least_spread)
        ends = "" if interval is None else f", 95 % interval [{interval.low:+.2f}, {interval.high:+.2f}]"
        notes.append(f"{name}: {values.mean:+.2f} {claim.question.unit}{ends}, {len(values)} seeds")
    return notes


def _left_out(measured: Measured, at: At) -> list[str]:
    """A note on seeds whose runs exist but lack the statistic: diverged runs, for example, have no histogram."""
    if not measured.values:
        return []
    trained = set.intersection(*(set(point.records) for point in at.used.values()))
    lacking = sorted(trained - measured.values.keys())
    return [f"not measured at seed {', '.join(map(str, lacking))}"] if lacking else []


def _at_edges(at: At) -> list[str]:
    """A note for each compared cell at an edge of its grid, since there may be a better one beyond."""
    return [
        f"provisional: {network}: the cell of {cell_owner(method)} is at an edge of its grid; the neighbours beyond "
        f"are still to be tried ({' and '.join(cell.edges)})"
        for (network, method), cell in at.chosen.items()
        if cell.edges
    ]


def _judge_at(claim: Claim, at: At) -> Verdict:
    """The verdict in one network."""
    try:
        measured = finite(_measured(claim, at))
    except Missing as lack:
        measured = Measured(problem=str(lack))
    decision, reason = decide(claim.question, measured)
    cells = [
        f"{what} {of.mean:.1f} % at {cell_name(point)}" if (of := errors(point)) else f"{what} at {cell_name(point)}"
        for what, point in at.used.items()
    ]
    return Verdict(
        question=claim.question,
        where=at.network.label,
        planned=at.evidence.confirms and not claim.exploratory,
        verdict=decision,
        reason=reason,
        measured=measured,
        notes=(*cells, *_at_edges(at), *_beside(claim, at), *_left_out(measured, at)),
        scope=scope(at.evidence.profile, list(at.used.values())),
        provisional=decision != "not judged" and any(cell.edges for cell in at.chosen.values()),
    )


def judge_row(claim: Claim, evidence: Evidence) -> list[Verdict]:
    """A claim's verdicts, one for each network in which the profile tests it."""
    return [_judge_at(claim, At(evidence, network)) for network in _networks(claim, evidence)]
