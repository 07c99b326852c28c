"""What is sent to wandb, as received by a stand-in server on this machine. No real server is involved."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.entry import ENVIRONMENT, command
from tracking.stand_in import PROJECT, Server, serving

pytest.importorskip("wandb_workspaces", reason="the extra `dashboards` is not installed")

from scalefree.dashboards.catalogue import DASHBOARDS
from scalefree.dashboards.publish import specification
from scalefree.dashboards.workspace import view_name, workspace


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def publish(server: Server, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with a time limit and a made-up account."""
    return subprocess.run(
        command("dashboard.py", *arguments),
        cwd=home,
        env={**ENVIRONMENT, **server.account(), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_workspaces_are_created_then_unchanged_then_updated_if_edited(server: Server, tmp_path: Path) -> None:
    arguments = ("entity=lab", f"project={PROJECT}")
    done = publish(server, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("created") == len(DASHBOARDS)
    sent = server.saved()
    assert [variables["name"] for variables in sent] == [view_name(dashboard) for dashboard in DASHBOARDS]
    for dashboard, variables in zip(DASHBOARDS, sent, strict=True):
        assert (variables["entityName"], variables["projectName"]) == ("lab", PROJECT)
        assert variables["displayName"] == dashboard.title and variables["type"] == "project-view"
        assert json.loads(variables["spec"]) == specification(workspace(dashboard, "lab", PROJECT))

    done = publish(server, tmp_path, *arguments)
    assert done.returncode == 0 and done.stdout.count("unchanged") == len(DASHBOARDS)
    assert len(server.saved()) == len(DASHBOARDS), "running it twice sends nothing the second time"

    edited = view_name(DASHBOARDS[2])
    server.views[edited]["spec"] = json.dumps({**json.loads(server.views[edited]["spec"]), "edited": True})
    done = publish(server, tmp_path, *arguments)
    assert done.stdout.count("unchanged") == len(DASHBOARDS) - 1 and done.stdout.count("updated") == 1
    (again,) = server.saved()[len(DASHBOARDS) :]
    assert again["name"] == edited and again["id"] == server.views[edited]["id"]
    assert len(server.views) == len(DASHBOARDS)


def test_a_missing_project_is_named(server: Server, tmp_path: Path) -> None:
    done = publish(server, tmp_path, "entity=lab", "project=nowhere")
    assert done.returncode == 1 and "lab/nowhere" in done.stderr
    assert server.saved() == []


def test_without_an_entity_nothing_is_sent(tmp_path: Path) -> None:
    done = subprocess.run(command("dashboard.py"), env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 2 and "entity= is missing" in done.stderr
