"""Check before any work whether a path can be a RESULTS directory."""

import os
import stat
from pathlib import Path

from scalefree.config import ConfigError
from scalefree.paths import written_path


def check_results_dir(path: str | Path, key: str = "results_dir") -> None:
    """Refuse a path that can never be a store, naming its key.

    A directory that does not exist yet is allowed, and so is a read-only one, whose records can be read.

    Raises:
        ConfigError: it is not a path; it, a parent, or one of the store's two folders in it is not a directory; or the
            file system refuses the name.
    """
    try:
        whole = Path(written_path(key, os.fspath(path)))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for part in (whole, *whole.parents):
        try:
            is_directory = stat.S_ISDIR(part.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            if part.is_symlink():
                raise ConfigError(
                    f"{key}={path} is impossible: {part} is a broken link; remove it or name another folder"
                ) from None
            continue
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"{key}={path} is impossible: {reason}") from None
        if not is_directory:
            raise ConfigError(f"{key}={path} is impossible: {part} is not a directory; name another")
        break
    for part in (whole / "runs", whole / "archives"):
        # They look empty where a disk is not mounted, and everything would be trained again.
        if os.path.lexists(part) and not part.is_dir():
            what = "a broken link" if part.is_symlink() else "not a directory"
            raise ConfigError(f"{key}={path} is impossible: {part} is {what}; repair or remove it")
