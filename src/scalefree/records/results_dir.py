"""Whether a path can be a RESULTS directory, checked before any work."""

import os
import stat
from pathlib import Path

from scalefree.config import ConfigError
from scalefree.paths import written_path


def check_results_dir(path: str | Path, key: str = "results_dir") -> None:
    """Refuse what can never hold a store, by the key that names it.

    A directory that does not exist yet can, and so can one that may not be written, whose records are read.

    Raises:
        ConfigError: it is not a path, it or a part of it is not a directory, or no file system takes the name.
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
                raise ConfigError(f"{key}={path} cannot be: {part} is a link to nowhere") from None
            continue
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"{key}={path} cannot be: {reason}") from None
        if not is_directory:
            raise ConfigError(f"{key}={path} cannot be: {part} is not a directory; name another")
        return
