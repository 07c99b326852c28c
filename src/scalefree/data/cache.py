"""Decoded images beside their source, so that a data set is decoded once and not at every start."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scalefree.data.dataset import RawSplit, canonical
from scalefree.files import atomic_write

Decoded = tuple[RawSplit, RawSplit, tuple[str, ...]]
Prepared = tuple[RawSplit, RawSplit, tuple[str, ...], dict[str, str]]
log = logging.getLogger(__name__)


def listing_key(root: Path, files: list[Path]) -> str:
    """Changes when a file is added, removed, resized or touched."""
    state = hashlib.sha256()
    for file in files:
        status = file.stat()
        state.update(f"{file.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return state.hexdigest()[:16]


def user_cache() -> Path | None:
    """The user's cache folder, for downloads and for caches of read-only data sets; None for a user without a home.

    Made for this user alone, whatever the umask: code that others could change must not be executed from there.
    """
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scalefree"
    except RuntimeError:
        return None
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def prepared(decoded: Decoded) -> Prepared:
    """Both splits in canonical order with their fingerprints."""
    train, test, names = decoded
    (train, train_print), (test, test_print) = canonical(train), canonical(test)
    return train, test, names, {"train": train_print, "test": test_print}


def _read(path: Path) -> Prepared | None:
    try:
        # Opened here: numpy leaves the file open when it cannot make sense of it.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            splits = [RawSplit(file[f"{split}_images"], file[f"{split}_labels"]) for split in ("train", "test")]
            found = prepared((splits[0], splits[1], tuple(str(name) for name in file["class_names"])))
            told = {split: str(file[f"{split}_fingerprint"]) for split in ("train", "test")}
    except FileNotFoundError:
        return None
    except Exception as error:  # truncated or foreign in whatever way: it is only a cache
        log.warning("the image cache %s is damaged (%s) and will be made again", path, error)
        return None
    if found[3] != told:
        log.warning("the image cache %s does not hold what it says and will be made again", path)
        return None
    return found


def _write(path: Path, content: Prepared) -> None:
    train, test, names, prints = content
    with atomic_write(path) as file:
        np.savez(
            file,
            allow_pickle=False,
            train_images=train.images,
            train_labels=train.labels,
            train_fingerprint=np.array(prints["train"]),
            test_images=test.images,
            test_labels=test.labels,
            test_fingerprint=np.array(prints["test"]),
            class_names=np.array(names),
        )


def cached(root: Path, key: str, decode: Callable[[], Decoded]) -> Prepared:
    """What `decode` gives, prepared, from `root/.scalefree_cache/<key>.npz` or the user's cache if it is there.

    Any number of processes may do this at once: each writes a file of its own and renames it. A cache that cannot be
    read is made again, one that cannot be written is done without.

    Raises:
        DatasetError: what `decode` raises.
    """
    folders = [root / ".scalefree_cache", user_cache()]
    places = [folder / f"{key}.npz" for folder in folders if folder is not None]
    for path in places:
        content = _read(path)
        if content is not None:
            return content
    content = prepared(decode())
    for path in places:
        try:
            _write(path, content)
        except OSError as error:
            log.info("no image cache at %s: %s", path, error)
        else:
            break
    return content
