"""The caption line: what was trained, how often, and how much of the grid there is."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from scalefree.experiments import Setting
from scalefree.experiments.results import share_runs
from scalefree.figures.names import dataset_name, width_name
from scalefree.figures.style import LAMBDA
from scalefree.optimizers import look, ordered


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(values: Sequence[int], noun: str) -> str:
    """`300 epochs`, `20 or 60 epochs`."""
    distinct = sorted(set(values))
    return _count(distinct[0], noun) if len(distinct) == 1 else f"{' or '.join(map(str, distinct))} {noun}s"


def coverage(settings: Sequence[Setting]) -> str:
    """`38 of 40 cells, 2 diverged, 2 missing`: a cell is an (optimizer, alpha, lambda) of a setting."""
    statuses = Counter(point.status for setting in settings for point in setting.points)
    total = sum(statuses.values())
    parts = [f"{total - statuses['missing']} of {_count(total, 'cell')}"]
    if statuses["diverged"]:
        parts.append(f"{statuses['diverged']} diverged")
    if statuses["partial"]:
        parts.append(f"{statuses['partial']} with seeds missing")
    if statuses["missing"]:
        parts.append(f"{statuses['missing']} missing")
    return ", ".join(parts)


def protocol(profile: str, settings: Sequence[Setting]) -> str:
    """`CIFAR-10; profile paper: 300 epochs, batch 128, 1 seed`."""
    configs = [setting.config for setting in settings]
    datasets = " and ".join(dict.fromkeys(dataset_name(config.dataset) for config in configs))
    epochs = _listed([config.training.epochs for config in configs], "epoch")
    batches = " or ".join(map(str, sorted({config.training.batch_size for config in configs})))
    seeds = _listed([len(point.results) for setting in settings for point in setting.points], "seed")
    widths = [name for name in dict.fromkeys(width_name(config.model) for config in configs) if name]
    return f"{', '.join([datasets, *widths])}; profile {profile}: {epochs}, batch {batches}, {seeds}"


def _sharing(settings: Sequence[Setting]) -> set[str] | None:
    """The optimizers that share runs at lambda = 0; empty if all of them do, None if none does."""
    free = [[point for point in setting.points if point.weight_decay == 0] for setting in settings]
    pairs = [pair for points in free for pair in combinations(points, 2) if share_runs(*pair)]
    found = {point.optimizer for pair in pairs for point in pair}
    everyone = {optimizer for setting in settings for optimizer in setting.optimizers}
    return None if not found else set() if found == everyone else found


def caption(profile: str, settings: Sequence[Setting], notes: Sequence[str] = ()) -> str:
    """The whole line: protocol, coverage, how lambda = 0 was trained, then what is special to the figure."""
    sentences = [protocol(profile, settings), coverage(settings)]
    if (sharing := _sharing(settings)) is not None:
        who = ", ".join(look(of).label for of in ordered(sharing)) or "the optimizers"
        sentences.append(f"At {LAMBDA}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0 {who} are one algorithm and share one run")
    return ". ".join([*sentences, *notes]) + "."
