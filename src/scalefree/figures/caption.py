"""Captions: what was trained, with how many seeds, what is missing, and how the cells shown were chosen."""

from collections import Counter
from collections.abc import Sequence

from scalefree.claims.page import effect, ends
from scalefree.claims.verdict import Verdict
from scalefree.experiments.arms import arm_of, network_of
from scalefree.experiments.evidence import Evidence, cell_owner
from scalefree.experiments.frozen import DECAYED, NO_DECAY
from scalefree.experiments.names import count, network_name, scope, width_name
from scalefree.experiments.results import Point, Status
from scalefree.figures.style import ALPHA, LAMBDA, MINUS, look
from scalefree.records import run_identity


def coverage(points: Sequence[Point]) -> str:
    """`38 of 40 cells, 2 diverged, 1 with seeds missing, 2 missing`; empty if nothing is missing and nothing
    diverged.
    """
    statuses = Counter(point.status for point in points)
    parts = [f"{len(points) - statuses['missing']} of {count(len(points), 'cell')}"]
    words: dict[Status, str] = {"diverged": "diverged", "partial": "with seeds missing", "missing": "missing"}
    for status, text in words.items():
        if statuses[status]:
            parts.append(f"{statuses[status]} {text}")
    return ", ".join(parts) if len(parts) > 1 else ""


def one_run(points: Sequence[Point]) -> bool:
    """Whether several methods without decay share a run among these points."""
    methods: dict[tuple[str, ...], set[str]] = {}
    for point in points:
        identities = tuple(result.cell.identity for result in point.results)
        methods.setdefault(identities, set()).add(arm_of(point.results[0].config).method)
    return any(len(of) > 1 for of in methods.values())


def holds_nothing_out(evidence: Evidence) -> bool:
    """Whether no run of the profile has validation images, so that cells could be chosen only on the test set."""
    every = [result.config.dataset.validation_fraction for of in evidence.results.values() for result in of]
    return bool(every) and not any(every)


def nothing_chosen(evidence: Evidence) -> str:
    """Why no cell has been chosen yet, or why none can be."""
    if holds_nothing_out(evidence):
        return "No images are held out for choosing step sizes and decays, and none are chosen by test error here"
    return "No step sizes and decays have been chosen yet"


def beyond(edges: Sequence[str]) -> str:
    """The sides on which a grid should be extended, with the axes' symbols: larger lambda and alpha."""
    symbols: dict[str, list[str]] = {}
    for edge in edges:
        side, _, key = edge.partition(" ")
        symbols.setdefault(side, []).append({"weight_decay": LAMBDA, "lr": ALPHA}.get(key, key))
    return ", ".join(f"{side} {' and '.join(of)}" for side, of in symbols.items())


def _at_edges(evidence: Evidence, points: Sequence[Point]) -> str:
    """Which of the cells shown are at an edge of their grids; empty if none is."""
    told = []
    for point in points:
        config = point.results[0].config
        network, method = network_of(config), arm_of(config).method
        told += [
            f"{look(method).label if name != NO_DECAY else cell_owner(name)} in {network_name(network)} "
            f"({beyond(cell.edges)})"
            for name, cell in evidence.frozen.cells.get(network.label, {}).items()
            if name in (method, method + DECAYED, NO_DECAY)
            and cell.edges
            and (cell.lr, cell.weight_decay) == (point.lr, point.weight_decay)
        ]
    if not told:
        return ""
    return f"At an edge of its grid, so its results are provisional: {', '.join(dict.fromkeys(told))}"


def chosen_how(evidence: Evidence, points: Sequence[Point], planned: bool = True) -> str:
    """How step sizes and decays were chosen, whether choices are still open, and whether claims were planned.

    `planned`: whether the plan has any of the figure's claims, if the profile follows it.
    """
    if not evidence.frozen.cells:
        return nothing_chosen(evidence)
    if not evidence.tunes:
        how = "are the only ones tried; tuning them for each method may change every comparison"
    elif evidence.frozen.records:
        seeds = "these same seeds" if evidence.selects_itself else "other seeds, and frozen"
        how = f"were chosen by validation error on {seeds}"
    else:
        how = "are the best published ones"
    sentences = [f"Step sizes and decays (in parentheses) {how}"]
    if edges := _at_edges(evidence, points):
        sentences.append(edges)
    # Several experiments may wait for one run.
    waiting = {
        (run.network, run.method, run.decay_times, run_identity(run.config))
        for runs in evidence.waiting.values()
        for run in runs
    }
    if waiting:
        wait = "waits" if len(waiting) == 1 else "wait"
        sentences.append(f"{count(len(waiting), 'run')} of the profile {wait} for theirs to be chosen")
    if evidence.confirms and not planned:
        sentences.append("Every comparison here is exploratory")
    elif evidence.confirms:
        sentences.append("Numbered claims were planned before these runs; all other comparisons are exploratory")
    else:
        sentences.append("Nothing here was planned: every claim is exploratory")
    return ". ".join(sentences)


def caption(evidence: Evidence, points: Sequence[Point], notes: Sequence[str] = ()) -> str:
    """Data set, scale, seeds and what is missing, then how cells were chosen and notes specific to the figure."""
    widths = [name for name in dict.fromkeys(width_name(p.results[0].config.model) for p in points) if name]
    sentences = [", ".join([scope(evidence.profile, points), *widths]), coverage(points), *notes]
    if one_run(points):
        sentences.append(
            f"At {LAMBDA}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0 these methods are the same algorithm and share one run"
        )
    return ". ".join(filter(None, sentences)) + "."


def told(verdict: Verdict) -> str:
    """A judged claim in one line: `+12.3 points [+8.1, +16.5]: supported`."""
    if verdict.effect is None:
        return f"{verdict.verdict}: {verdict.reason}"
    interval = f" {ends(verdict.interval, verdict)}" if verdict.interval is not None else ""
    why = f" ({verdict.reason})" if verdict.verdict == "not judged" else ""
    return f"{effect(verdict)}{interval}".replace("-", MINUS) + f": {verdict.verdict}{why}"


def sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """Claims with their results as sentences for a caption."""
    return [
        f"Claim {v.question.number}, \N{LEFT DOUBLE QUOTATION MARK}{v.question.claim.rstrip('.')}"
        f"\N{RIGHT DOUBLE QUOTATION MARK}: {told(v)}"
        for v in verdicts
    ]
