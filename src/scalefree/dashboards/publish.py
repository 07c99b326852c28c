"""Create or update the saved workspaces of a project; those that are already up to date are left alone."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import wandb
import wandb_workspaces.workspaces as ws
from wandb_workspaces.workspaces import internal

from scalefree.dashboards.catalogue import DASHBOARDS
from scalefree.dashboards.workspace import workspace


@dataclass(frozen=True)
class Published:
    """What was done with a dashboard, and its address."""

    title: str
    change: Literal["created", "updated", "unchanged"]
    url: str


def specification(built: ws.Workspace) -> dict[str, Any]:
    """The part of a workspace that is sent, as JSON values."""
    content: dict[str, Any] = json.loads(built._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
    return content


def _saved(built: ws.Workspace) -> dict[str, Any] | None:
    """The server's view of that name, or None if there is none.

    Raises:
        ValueError: the project does not exist or is not accessible.
    """
    try:
        return internal.get_view_dict(
            built.entity, built.project, internal._internal_name_to_url_query_str(built._internal_name)
        )
    except ValueError as error:
        if "Workspace" in str(error):
            return None
        raise


def publish(entity: str, project: str) -> list[Published]:
    """Make all dashboards of a project match the code; edits made in the app are overwritten.

    Raises:
        ValueError: no such project.
        wandb.Error: no account, or no answer.
    """
    done = []
    for dashboard in DASHBOARDS:
        built = workspace(dashboard, entity, project)
        saved = _saved(built)
        change: Literal["created", "updated", "unchanged"] = "created" if saved is None else "updated"
        if saved is not None:
            built._internal_id = saved["id"]
            if saved["displayName"] == built.name and json.loads(saved["spec"]) == specification(built):
                change = "unchanged"
        if change != "unchanged":
            wandb.termlog(f"saving {built.name}")
            built.save()  # type: ignore[no-untyped-call]
        done.append(Published(dashboard.title, change, built.url))
    return done
