"""Check names before wandb does: it refuses them only when a run starts or, worse, when it is uploaded."""

from collections.abc import Iterable

# As in wandb's own check of project names. The entity is the part of a project's address before the name.
FORBIDDEN = "/\\#?%:"
MOST_CHARACTERS = 128
MOST_CHARACTERS_OF_A_TAG = 64


def _check(key: str, name: str, most: int, forbidden: str = "") -> None:
    if not name.strip():
        raise ValueError(f"{key}={name!r} is empty; give at least one character")
    if len(name) > most:
        raise ValueError(f"{key}={name[:20]}... has {len(name)} characters; wandb allows at most {most}")
    if wrong := [character for character in name if character in forbidden or not character.isprintable()]:
        raise ValueError(f"{key}={name!r} contains {wrong[0]!r}, which wandb refuses; leave it out")


def check_wandb_address(project: str, entity: str | None) -> None:
    """Refuse impossible names of a project, user or team.

    Raises:
        ValueError: naming `project` or `entity`.
    """
    _check("project", project, MOST_CHARACTERS, FORBIDDEN)
    if entity is not None:
        _check("entity", entity, MOST_CHARACTERS, FORBIDDEN)


def check_wandb_labels(group: str | None, tags: Iterable[str]) -> None:
    """Refuse impossible names of a group or tag.

    Raises:
        ValueError: naming `group` or `tags`.
    """
    if group is not None:
        _check("group", group, MOST_CHARACTERS)
    for tag in tags:
        _check("tags", tag, MOST_CHARACTERS_OF_A_TAG)
