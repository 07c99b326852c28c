"""Every run's state and its row in the table."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from report.hand_made import EXPERIMENT, STATES, fill, smoke_runs
from report.reading import Node, read
from scalefree.experiments import Experiment, load_experiment
from scalefree.experiments.cost import Pace
from scalefree.experiments.coverage import coverage
from scalefree.experiments.grid import Waiting
from scalefree.records import Store
from scalefree.records.archiving import move
from scalefree.report.coverage import coverage_section, state_line
from scalefree.report.run_table import COLUMNS, run_table
from scalefree.report.runs import Run, list_runs


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def states(store: Store) -> Mapping[str, str]:
    return fill(store)


@pytest.fixture
def experiments() -> list[Experiment]:
    return [load_experiment(name, "smoke") for name in (EXPERIMENT, "with_bn")]


@pytest.fixture
def runs(states: Mapping[str, str], store: Store, experiments: list[Experiment]) -> list[Run]:
    return list_runs(experiments, store, store.records())


def rows(runs: list[Run]) -> dict[str, Node]:
    """The rows of the table by run name."""
    body = read(run_table(runs)).one("table", id="runs-table").one("tbody")
    return {row.all("td")[0].text: row for row in body.all("tr")}


def test_every_run_has_its_state_from_the_store(runs: list[Run], states: Mapping[str, str]) -> None:
    found = {run.name: run.state for run in runs}
    assert {name: found[name] for name in states} == states
    assert {run.state for run in runs if run.name not in states} == {"missing"}
    assert [run.name for run in runs][: len(STATES)] == list(smoke_runs())


def test_states_agree_with_coverage(runs: list[Run], store: Store, experiments: list[Experiment]) -> None:
    for experiment, of in zip(experiments, coverage(experiments, store, store.records(), Pace()), strict=True):
        for state in ("completed", "diverged", "partial", "failed", "missing"):
            mine = sum(run.state == state for run in runs if experiment.name in run.experiments)
            assert mine == getattr(of, state), (experiment.name, state)


def test_only_results_of_the_profile_are_evidence(runs: list[Run], states: Mapping[str, str]) -> None:
    assert [run.name for run in runs if run.is_evidence] == list(states)[:3]
    assert [run.experiments for run in runs if run.config["seed"] == 77] == [()]


def test_rows_link_to_their_records(runs: list[Run], store: Store) -> None:
    page = store.root / "report"
    page.mkdir()
    found = rows(runs)
    linked = {name: row.all("a")[0].attributes["href"] for name, row in found.items() if row.all("a")}
    assert linked.keys() == {run.name for run in runs if run.record is not None}
    for name, href in linked.items():
        assert (page / str(href)).resolve() == store.directory(name).resolve() / "record.json"
        assert (page / str(href)).is_file()


def test_rows_of_archived_runs_link_to_their_archive(
    states: Mapping[str, str], store: Store, experiments: list[Experiment]
) -> None:
    before = list_runs(experiments, store, store.records())
    moved = {run.name for run in move(store, "smoke", states)}
    runs = list_runs(experiments, store, store.records())
    assert [(run.name, run.state, run.record) for run in runs] == [(run.name, run.state, run.record) for run in before]
    for name, row in rows(runs).items():
        if name in moved:
            assert row.all("a")[0].attributes["href"] == "../archives/smoke.zip"
    assert len(moved) == 4, "three of the profile, and one with another seed"


def test_a_row_shows_what_is_in_the_record(runs: list[Run]) -> None:
    found = rows(runs)
    completed, other, diverged, failed, partial, missing, *_ = (
        [cell.text for cell in found[name].all("td")] for name in smoke_runs()
    )
    config = next(iter(smoke_runs().values()))
    named = dict(zip(COLUMNS, completed, strict=True))
    assert named["status"] == "completed" and other[1] == "completed"
    assert (named["error"], named["validation"]) == ("25.00 %", "25.00 %")
    assert (named["depth"], named["bn"], named["seed"]) == (str(config.model.depth), "no", str(config.seed))
    assert float(named["lr"]) == config.optimizer.lr and float(named["decay"]) == config.optimizer.weight_decay
    assert named["experiment"].split()[0] == EXPERIMENT
    assert diverged[1:4] == ["diverged step 17", "diverged", "diverged"]
    assert failed[1:4] == ["failed RuntimeError: <img src=x onerror=alert(1)>", "", ""]
    assert partial[1:4] == ["partial", "", ""]
    assert missing[1:4] == ["missing", "", ""]


def test_selects_offer_the_values_in_the_rows(runs: list[Run]) -> None:
    page = read(run_table(runs))
    body = page.one("table", id="runs-table").one("tbody").all("tr")
    for name in ("optimizer", "depth", "bn", "status", "experiment"):
        offered = [option.attributes["value"] for option in page.one("select", name=name).all("option")]
        values = {value for row in body for value in str(row.attributes[f"data-{name}"]).split()}
        assert offered[0] == "" and set(offered[1:]) == values and len(offered) == len(values) + 1


def test_coverage_shows_the_counts_and_links_to_the_runs(
    runs: list[Run], store: Store, experiments: list[Experiment]
) -> None:
    page = read(coverage_section(experiments, store, store.records(), runs))
    first = [cell.text.strip() for cell in page.one("tbody").all("tr")[0].all("td")]
    # Two completed and one diverged are three of ten; none of the deeper network has completed to give its pace.
    assert first[1:] == ["10", "30 %", "2", "1", "1", "1", "5", "13 min"]
    assert page.all("a")[0].attributes["href"] == f"#experiment={EXPERIMENT}"


def test_coverage_lists_waiting_runs_and_excluded_experiments(
    runs: list[Run], store: Store, experiments: list[Experiment]
) -> None:
    waiting = (Waiting(next(iter(smoke_runs().values())), "resnet8w8-nobn", "adamw", 1.0),) * 3
    more = [*experiments, Experiment("later", "", (), waiting), Experiment("never", "", ())]
    said = read(coverage_section(more, store, store.records(), runs)).all("p")[0].text
    assert "Runs waiting for their step sizes and decays to be chosen: later (3)." in said
    assert said.endswith("The profile does not include never.")


def test_the_state_line_summarizes_the_profiles_runs(runs: list[Run]) -> None:
    of_corners = [run for run in runs if EXPERIMENT in run.experiments or not run.experiments]
    said = read(state_line(of_corners)).one("p", id="state").text
    assert said.startswith("State: 3 of 10 runs done (30 %), 1 of them diverged; 1 partial; 1 failed; 5 missing. make ")
    done = [run for run in of_corners if run.is_evidence]
    assert read(state_line(done)).one("p", id="state").text == (
        "State: 3 of 3 runs done (100 %), 1 of them diverged. Coverage has the details."
    )
    assert state_line([run for run in runs if not run.experiments]) == ""
