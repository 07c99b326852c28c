"""We refuse what wandb refuses, and also names that no server could have."""

from collections.abc import Sequence

import pytest
import wandb

from scalefree.compose import run_config
from scalefree.config import ConfigError
from scalefree.wandb_names import check_wandb_address, check_wandb_labels

PROJECTS = ["a", "a b", "scale-free_2.0", "é", "x" * 128, "x" * 129, *(f"a{c}b" for c in "/\\#?%:")]
TAGS = ["a", "profile:quick", "a/b", "é" * 64, "x" * 64, "x" * 65, ""]


def wandb_refuses(**settings: object) -> bool:
    try:
        wandb.Settings(**settings)
    except (wandb.errors.UsageError, ValueError):
        return True
    return False


def refuses(project: str = "p", entity: str | None = None, group: str | None = None, tags: Sequence[str] = ()) -> bool:
    try:
        check_wandb_address(project, entity)
        check_wandb_labels(group, tags)
    except ValueError as error:
        assert "\n" not in str(error)
        return True
    return False


@pytest.mark.parametrize("project", PROJECTS)
def test_the_same_projects_are_refused_as_by_wandb(project: str) -> None:
    assert refuses(project=project) == wandb_refuses(project=project)


@pytest.mark.parametrize("tag", TAGS)
def test_the_same_tags_are_refused_as_by_wandb(tag: str) -> None:
    assert refuses(tags=("fine", tag)) == wandb_refuses(run_tags=("fine", tag))


@pytest.mark.parametrize("name", ["", " ", "\t", "a\nb", "\x1b[31m", "\ud800", "x" * 129])
def test_blank_unprintable_and_long_names_are_refused(name: str) -> None:
    assert refuses(project=name) and refuses(entity=name) and refuses(group=name) and refuses(tags=(name,))


def test_an_entity_must_fit_into_a_url_but_a_group_need_not() -> None:
    assert refuses(entity="me/project") and not refuses(entity="my-team_1")
    assert not refuses(group="depth/without BN: 1")
    assert not refuses(entity=None, group=None)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("project", "me/project", "tracking.project='me/project' contains '/'"),
        ("project", "", "tracking.project='' is empty"),
        ("entity", "a#b", "tracking.entity='a#b' contains '#'"),
        ("group", "x" * 200, "tracking.group=xxxxxxxxxxxxxxxxxxxx... has 200 characters"),
        ("tags", ["ok", "t" * 70], "tracking.tags=tttttttttttttttttttt... has 70 characters; wandb allows at most 64"),
    ],
)
def test_a_wrong_name_is_refused_by_its_key(key: str, value: object, named: str) -> None:
    with pytest.raises(ConfigError) as refused:
        run_config({f"tracking.{key}": value})
    assert str(refused.value).startswith(named)
