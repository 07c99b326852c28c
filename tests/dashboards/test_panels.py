"""Every panel of every dashboard, checked against what real runs log: none may be empty."""

import re
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY
from scalefree.compose import run_config
from scalefree.tracking.metrics import GROUP, METRICS
from scalefree.training import run
from tracking.logged_names import is_known
from tracking.wandb_files import rows, run_folders

pytest.importorskip("wandb_workspaces", reason="the extra `dashboards` is not installed")

from scalefree.dashboards.catalogue import DASHBOARDS, Dashboard
from scalefree.dashboards.publish import specification
from scalefree.dashboards.workspace import view_name, workspace


def flattened(values: dict[str, Any], prefix: str = "") -> set[str]:
    """Dotted keys of a nested configuration."""
    keys: set[str] = set()
    for key, value in values.items():
        keys |= flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
    return keys


class Logged:
    """The names that both of two different runs logged, and those that at least one of them logged."""

    def __init__(self, results: Path) -> None:
        shared = {**TINY, "tracking": "offline", "dataset.validation_fraction": 0.1, "results_dir": str(results)}
        run(run_config({**shared, "optimizer": "adaml2"}))
        run(run_config({**shared, "model.batch_norm": True}))
        each = [self._read(folder) for folder in run_folders(results)]
        self.history = set.intersection(*(history for history, _, _ in each))
        self.summary = set.intersection(*(summary for _, summary, _ in each))
        self.config = set.intersection(*(config for _, _, config in each))
        self.any = set.union(*(history | summary for history, summary, _ in each))

    @staticmethod
    def _read(folder: Path) -> tuple[set[str], set[str], set[str]]:
        history: set[str] = set()
        summary: set[str] = set()
        config: set[str] = set()
        for row in rows(folder):
            if row["type"] == "history":
                history |= {key.removesuffix(".values") for key in row["history"]["item"]}
            elif row["type"] == "summary":
                summary |= row["summary"]["update"].keys()
            elif row["type"] == "run":
                config |= flattened(row["run"]["config"]["update"])
        return history, summary, config


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    return Logged(tmp_path_factory.mktemp("logged"))


def own(names: set[str]) -> set[str]:
    """The names without wandb's own columns and the parts of histograms."""
    return {name for name in names if not name.startswith("_") and not name.endswith(("._type", ".bins", ".values"))}


def test_every_logged_name_is_described(logged: Logged) -> None:
    assert [name for name in sorted(own(logged.any)) if not is_known(name)] == []


def test_every_described_name_is_logged(logged: Logged) -> None:
    names = {name.split("/")[0] + f"/{GROUP}/" + name.split("/")[2] if "/" in name else name for name in logged.any}
    assert [metric.name for metric in METRICS if metric.name not in names] == []


def _config_key(stored: str) -> str:
    return stored.replace(".value", "", 1)


def _missing(panel: dict[str, Any], logged: Logged) -> list[str]:
    """What a panel of the specification asks for but the runs do not have."""
    kind, config = panel["viewType"], panel["config"]
    if kind == "Run History Line Plot":
        wanted = {*config["metrics"], config["xAxis"]}
        assert config["metrics"]
        missing = wanted - logged.history
        if "groupBy" in config:
            missing |= {_config_key(config["groupBy"])} - logged.config
        return sorted(missing)
    if kind == "Scatter Plot":
        missing = set()
        for axis in (config["xAxis"], config["yAxis"], config["zAxis"]):
            section, _, name = axis.partition(":")
            known = {"config": logged.config, "summary": logged.summary}[section]
            missing |= {_config_key(name) if section == "config" else name} - known
        return sorted(missing)
    if kind == "Bar Chart":
        return sorted(set(config["metrics"]) - logged.summary)
    if kind == "Parameter Importance":
        return sorted({config["targetKey"]} - logged.summary)
    assert kind in ("Run Comparer", "Markdown Panel"), f"this test does not know {kind}"
    return [] if kind == "Run Comparer" or config["value"].strip() else ["text"]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: str(dashboard.key))
def test_no_panel_is_empty(dashboard: Dashboard, logged: Logged) -> None:
    content = specification(workspace(dashboard, "lab", "paper"))["section"]
    for section in content["panelBankConfig"]["sections"]:
        assert section["panels"][0]["viewType"] == "Markdown Panel" and len(section["panels"]) > 1, section["name"]
        for panel in section["panels"]:
            assert _missing(panel, logged) == [], (section["name"], panel["config"])
    (runs,) = content["runSets"]
    keys = [item["key"]["name"] for item in runs["filters"]["filters"]] + [item["name"] for item in runs["grouping"]]
    assert keys and {_config_key(key) for key in keys} <= logged.config
    for column in runs["runFeed"]["columnOrder"][1:]:
        section, _, name = column.partition(":")
        assert name in {"config": logged.config, "summary": logged.summary}[section], column


def test_the_check_finds_a_missing_metric(logged: Logged) -> None:
    empty = {"viewType": "Run History Line Plot", "config": {"metrics": ["test_accuracy"], "xAxis": "epoch"}}
    assert _missing(empty, logged) == ["test_accuracy"]


def test_each_figure_has_a_workspace_with_run_comparer_and_importance() -> None:
    assert [dashboard.key for dashboard in DASHBOARDS] == [
        "with_bn", "without_bn", "depth", "update_scales", "prox_equivalence", "loss_scale",
        "corners", "effective_decay", "cifar16", "optimizers",
    ]  # fmt: skip
    for dashboard in DASHBOARDS:
        kinds = {type(panel).__name__ for section in dashboard.sections for panel in section.panels}
        assert {"RunComparer", "ParameterImportancePlot", "LinePlot"} <= kinds


def test_every_chart_groups_seeds_by_mean_and_standard_deviation() -> None:
    for dashboard in DASHBOARDS:
        content = specification(workspace(dashboard, "lab", "paper"))["section"]
        (runs,) = content["runSets"]
        assert _config_key(runs["grouping"][-1]["name"]) == "cell_name", dashboard.key
        drawn = 0
        for section in content["panelBankConfig"]["sections"]:
            for panel in section["panels"]:
                if panel["viewType"] in ("Run History Line Plot", "Bar Chart"):
                    config = panel["config"]
                    grouping = _config_key(config["groupBy"]), config["groupAgg"], config["groupArea"]
                    assert grouping == ("cell_name", "mean", "stddev") and config["aggregate"] is True
                    drawn += 1
        assert drawn >= 3, dashboard.key


def test_specifications_are_reproducible_with_unique_identifiers() -> None:
    names, identifiers = set(), []
    for dashboard in DASHBOARDS:
        content = specification(workspace(dashboard, "lab", "paper"))
        assert content == specification(workspace(dashboard, "lab", "paper"))
        names.add(view_name(dashboard))
        for section in content["section"]["panelBankConfig"]["sections"]:
            identifiers += [section["__id__"], *(panel["__id__"] for panel in section["panels"])]
    assert len(names) == len(DASHBOARDS) and len(set(identifiers)) == len(identifiers)
    assert view_name(DASHBOARDS[0]) == "nw-4nz1x78xjvx-v", "another name would leave the old workspace behind"


def test_the_page_on_wandb_names_every_dashboard() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs/wandb.md").read_text(encoding="utf-8").split())
    (listed,) = re.findall(r"one saved workspace per question: (.*?)\. The seeds", page)
    names = [dashboard.title.partition(": ")[2] for dashboard in DASHBOARDS]
    assert [item for item in names if item not in listed] == [] and len(names) >= 10
