"""A dashboard as a wandb workspace: the same bytes each time for one entity and project."""

import hashlib
from typing import Any

import wandb_workspaces.workspaces as ws
from wandb_workspaces.expr import And

from scalefree.dashboards.catalogue import Dashboard
from scalefree.dashboards.panels import CELL, text

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
# The columns of the table of runs; the name always comes first.
COLUMNS = (
    "config:optimizer.name",
    "config:model.depth",
    "config:model.batch_norm",
    "config:optimizer.lr",
    "config:optimizer.weight_decay",
    "config:seed",
    "summary:final_test_error",
    "summary:lowest_test_error",
    "summary:images_per_second",
    "config:machine.device",
)


def identifier(*parts: object, length: int = 11) -> str:
    """An identifier of lower-case letters and digits that depends only on the parts."""
    number = int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest())
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def view_name(dashboard: Dashboard) -> str:
    """wandb's internal name of the saved view: `nw-<eleven letters>-v`, and its address ends with the letters."""
    return f"nw-{identifier('scalefree', dashboard.key)}-v"


def _stored(key: str) -> str:
    """Where wandb keeps a nested key of the configuration: `model.depth` is `model.value.depth` there."""
    first, _, rest = key.partition(".")
    return f"{first}.value.{rest}" if rest else f"{first}.value"


def workspace(dashboard: Dashboard, entity: str, project: str) -> ws.Workspace:
    """The workspace, with fixed identifiers instead of the library's random ones."""
    sections = []
    for number, section in enumerate(dashboard.sections):
        panels: list[Any] = [text(section.text), *section.panels]
        for place, panel in enumerate(panels):
            panel._id = identifier(dashboard.key, number, place)
        made = ws.Section(name=section.title, panels=panels, is_open=True)
        made._id = identifier(dashboard.key, number)
        sections.append(made)
    built = ws.Workspace(
        entity=entity,
        project=project,
        name=dashboard.title,
        sections=sections,
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=And(*(ws.Config(_stored(key)).isin(list(values)) for key, values in dashboard.runs.items())),
            groupby=[ws.Config(key) for key in (*dashboard.grouped, CELL)],
            pinned_columns=list(COLUMNS),
        ),
    )
    built._internal_name = view_name(dashboard)
    built._internal_runset_id = identifier(dashboard.key, "runs")
    return built
