"""How the evidence was computed, according to its records, and where they disagree."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scalefree.experiments.names import count
from scalefree.records import Record
from scalefree.report.markup import Html, element, join, row, table

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Fact:
    """One aspect of the records.

    Attributes:
        name: the name of the aspect.
        values: each value with the number of records that have it, the most frequent first.
        warning: why these values need attention; empty if they do not.
    """

    name: str
    values: tuple[tuple[str, int], ...]
    warning: str


def _ranked(values: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _fact(name: str, values: Iterable[Any]) -> Fact:
    ranked = _ranked(UNKNOWN if value is None else str(value) for value in values)
    return Fact(name, ranked, "mixed" if len(ranked) > 1 else "")


def _changes(environment: dict[str, Any]) -> str | None:
    changed = environment.get("uncommitted_changes")
    return None if changed is None else "yes" if changed else "no"


# Records of runs on a CPU have no CUDA entries, so "none" is not a gap.
_ASPECTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "commit": lambda environment: environment.get("commit"),
    "device": lambda environment: environment.get("device"),
    "CUDA": lambda environment: environment.get("cuda", "none"),
    "cuDNN": lambda environment: environment.get("cudnn", "none"),
    "runner": lambda environment: environment.get("runner"),
    "platform": lambda environment: environment.get("platform"),
    "Python": lambda environment: environment.get("python"),
}


def _data(record: Record) -> str:
    """A description of a record's data; two records with the same one should have the same fingerprints."""
    dataset = record.config["dataset"]
    parts = [dataset["name"]]
    if dataset["per_class"] is not None:
        parts.append(f"{dataset['per_class']} images per class")
    if dataset.get("resolution") is not None:
        parts.append(f"at {dataset['resolution']}x{dataset['resolution']}")
    if dataset["validation_fraction"]:
        parts.append(f"{100 * dataset['validation_fraction']:g} % held out")
    # Image folders are identified only by their content.
    if dataset["fingerprint"] is not None:
        parts.append(dataset["fingerprint"])
    return ", ".join(parts)


def _data_facts(records: Sequence[Record]) -> Iterator[Fact]:
    by_data = itertools.groupby(sorted(records, key=_data), key=_data)
    for data, group in by_data:
        of_data = list(group)
        for split in dict.fromkeys(split for record in of_data for split in record.fingerprints):
            fact = _fact(f"images of {data}: {split}", [record.fingerprints.get(split) for record in of_data])
            yield Fact(fact.name, fact.values, "not the same images" if fact.warning else "")


def facts(records: Sequence[Record]) -> list[Fact]:
    """How the records were made, aspect by aspect, with mixtures and uncommitted code flagged."""
    environments = [record.environment for record in records]
    found = [_fact(name, map(value, environments)) for name, value in _ASPECTS.items()]
    changes = _fact("code differs from its commit", map(_changes, environments))
    warning = "the code is in no commit" if any(value == "yes" for value, _ in changes.values) else changes.warning
    found.insert(1, Fact(changes.name, changes.values, warning))
    resumed = _ranked("yes" if environment.get("earlier_sessions") else "no" for environment in environments)
    if len(resumed) > 1 or resumed[0][0] == "yes":
        found.append(Fact("resumed with another device or build", resumed, "not repeatable bit for bit"))
    packages = sorted({package for environment in environments for package in environment.get("packages", {})})
    for package in packages:
        found.append(_fact(package, (environment.get("packages", {}).get(package) for environment in environments)))
    return [*found, *_data_facts(records)]


def _row(fact: Fact) -> Html:
    values = [
        element("div", element("code", value), f" in {count(number, 'run')}" if len(fact.values) > 1 else "")
        for value, number in fact.values
    ]
    flag = element("span", fact.warning, class_="flag") if fact.warning else ""
    return row(element("td", fact.name, flag, class_="aspect"), element("td", *values, class_="values"))


def provenance_section(records: Sequence[Record]) -> Html:
    """A table of facts, after a sentence that says whether the records agree."""
    if not records:
        return element("p", "There are no records yet.")
    found = facts(records)
    flagged = [fact.name for fact in found if fact.warning]
    verdict = f"Needs attention: {'; '.join(flagged)}." if flagged else "All records agree."
    summary = f"From the {count(len(records), 'record')} behind this page's figures and claims. {verdict}"
    return join([element("p", summary), table("Provenance", ("Aspect", "Value"), map(_row, found))])
