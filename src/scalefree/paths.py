"""Paths as people write them, and where this user's caches lie."""

import contextlib
import os
import sys
from pathlib import Path


def _is_number(text: str) -> bool:
    with contextlib.suppress(ValueError):
        float(text)
        return True
    return text.lower() in ("true", "false")


def written_path(key: str, text: str) -> str:
    """The path that `text`, given for `key`, means: `~` and `~user` are home folders, as in a shell.

    A path that went through here comes through again unchanged.

    Raises:
        ValueError: nothing was written, or a number or a truth value, or a home that nobody knows, or what this
            system cannot use as a path.
    """
    if not text.strip():
        raise ValueError(f"{key} is empty; name a folder")
    if _is_number(text):
        raise ValueError(f"{key}={text} is not a path; write ./{text} if a folder is called that")
    path = os.path.expanduser(text)
    if path.startswith("~"):
        raise ValueError(f"{key}={text}: no such home folder is known; write the path in full")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        raise ValueError(f"{key}={text} cannot be a path here, where file names are {encoding}") from None
    if "\0" in path:
        raise ValueError(f"{key}={text} cannot be a path: it holds a zero character")
    return path


def name_as_text(name: str) -> str:
    """A file's name as UTF-8 whatever the locale is, bytes that are not UTF-8 as escape sequences (`caf\\xe9`)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def user_cache() -> Path | None:
    """The folder for downloads and for what is quicker to read than to make; None for a user who has no home.

    Made for this user alone, whatever the umask: code that others could change must not be executed from there.
    """
    # A relative path is invalid there, and to be ignored (XDG Base Directory Specification).
    for caches in (os.environ.get("XDG_CACHE_HOME", ""), "~/.cache"):
        if os.path.isabs(parent := os.path.expanduser(caches)):
            folder = Path(parent, "scalefree")
            with contextlib.suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return folder
    return None
