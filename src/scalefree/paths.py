"""Paths as users write them, and the location of this user's caches."""

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
    """The path that `text`, the value of `key`, stands for: `~` and `~user` are home folders, as in a shell.

    A path returned from here is returned unchanged when it is passed in again.

    Raises:
        ValueError: an empty text, a number or a truth value, an unknown home folder, or a text that cannot be a path on
            this system.
    """
    if not text.strip():
        raise ValueError(f"{key} is empty; name a folder")
    if _is_number(text):
        raise ValueError(f"{key}={text} is not a path; write ./{text} if the folder really has that name")
    path = os.path.expanduser(text)
    if path.startswith("~"):
        raise ValueError(f"{key}={text}: there is no such home folder; write the full path")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        raise ValueError(
            f"{key}={text} cannot be a path here, where file names use {encoding}; choose another name"
        ) from None
    if "\0" in path:
        raise ValueError(f"{key}={text} cannot be a path: it contains a null character; remove it")
    return path


def name_as_text(name: str) -> str:
    """A file's name as UTF-8 in any locale; bytes that are not UTF-8 become escape sequences (`caf\\xe9`)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def user_cache() -> Path | None:
    """The folder for downloads and for data that is faster to read than to make; None for a user without a home.

    Only this user can access it, whatever the umask: code that others could change must not be executed from there.
    """
    # A relative path is invalid and must be ignored (XDG Base Directory Specification).
    for caches in (os.environ.get("XDG_CACHE_HOME", ""), "~/.cache"):
        if os.path.isabs(parent := os.path.expanduser(caches)):
            folder = Path(parent, "scalefree")
            with contextlib.suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return folder
    return None
