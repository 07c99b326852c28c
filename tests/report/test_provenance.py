"""Where the records come from: agreement is stated, and every mixture is flagged."""

import dataclasses
from typing import Any

from report.hand_made import ENVIRONMENT, FINGERPRINTS, record, smoke_runs
from report.reading import cells, read
from scalefree.config import with_values
from scalefree.records import Record
from scalefree.report.provenance import facts, provenance_section


def records(*environments: dict[str, Any]) -> list[Record]:
    """One record per run, with the usual environment except for these entries."""
    configs = list(smoke_runs().values())
    return [
        record(config, environment={**ENVIRONMENT, **environment})
        for config, environment in zip(configs, environments, strict=False)
    ]


def warnings(of: list[Record]) -> dict[str, str]:
    return {fact.name: fact.warning for fact in facts(of) if fact.warning}


def test_records_that_agree_are_not_flagged() -> None:
    agreeing = records({}, {}, {})
    assert warnings(agreeing) == {}
    page = read(provenance_section(agreeing))
    assert "3 records" in page.all("p")[0].text and "All records agree." in page.all("p")[0].text
    said = {row[0]: row[1:] for row in cells(page)}
    assert said["device"] == [ENVIRONMENT["device"]]
    assert said["commit"] == [ENVIRONMENT["commit"]]
    assert said["torch"] == ["2.15.0"]
    assert said["images of digits, 10 % held out: train"] == [FINGERPRINTS["train"]]


def test_a_mixture_is_counted_and_flagged() -> None:
    mixed = records({}, {"packages": {"torch": "2.11.0"}}, {"commit": None, "device": "H200"}, {})
    assert warnings(mixed) == {"commit": "mixed", "device": "mixed", "torch": "mixed", "numpy": "mixed"}
    by_name = {fact.name: fact.values for fact in facts(mixed)}
    assert by_name["torch"] == (("2.15.0", 3), ("2.11.0", 1))
    assert by_name["numpy"] == (("2.3.1", 3), ("unknown", 1))
    assert by_name["commit"] == ((ENVIRONMENT["commit"], 3), ("unknown", 1))
    page = read(provenance_section(mixed))
    assert "Needs attention: commit; device; numpy; torch." in page.all("p")[0].text
    assert ["torchmixed", "2.15.0 in 3 runs2.11.0 in 1 run"] in cells(page)


def test_uncommitted_code_is_flagged_even_if_all_records_have_it() -> None:
    assert warnings(records({"uncommitted_changes": True})) == {
        "code differs from its commit": "the code is in no commit"
    }
    assert warnings(records({"uncommitted_changes": True}, {"uncommitted_changes": False}))
    assert warnings(records({"uncommitted_changes": None}, {})) == {"code differs from its commit": "mixed"}


def test_runs_that_changed_their_build_midway_are_flagged() -> None:
    sound, changed = {"earlier_sessions": []}, {"earlier_sessions": [ENVIRONMENT]}
    flag = {"resumed with another device or build": "not repeatable bit for bit"}
    assert warnings(records({}, sound)) == {}
    assert warnings(records({}, sound, changed)) == warnings(records(changed)) == flag


def test_different_images_under_one_name_are_flagged_but_not_different_splits() -> None:
    first, second, third = records({}, {}, {})
    other = dataclasses.replace(second, fingerprints={**second.fingerprints, "train": "dd44" * 16})
    name = "images of digits, 10 % held out"
    assert warnings([first, other]) == {f"{name}: train": "not the same images"}
    config = with_values(next(iter(smoke_runs().values())), {"dataset.validation_fraction": 0.0})
    whole = record(config, fingerprints={**FINGERPRINTS, "train": "dd44" * 16})
    assert warnings([first, whole, third]) == {}
    assert {"images of digits: train", f"{name}: train"} <= {fact.name for fact in facts([first, whole])}


def test_missing_entries_are_shown_as_unknown() -> None:
    config = next(iter(smoke_runs().values()))
    silent = record(config, environment={}, fingerprints={})
    assert {fact.values for fact in facts([silent]) if fact.name in ("commit", "device")} == {(("unknown", 1),)}
    assert read(provenance_section([])).one("p").text == "There are no records yet."
