"""A cache of an image folder's decoded images, so that they are decoded only once.

The cache key is a hash of the names and bytes of all images, which are read at every start (about a second for 60,000
small ones), and of the decoders' versions. So a folder that has changed in any way is decoded again, whatever its
timestamps, and no folder gets another's images. Labels and class names always come from the folder itself.
"""

import concurrent.futures
import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scalefree.data.dataset import DatasetError, Images, RawSplit, canonical
from scalefree.data.image_file import content, decoders, open_file
from scalefree.data.image_folder import Listing, class_names, decode_images, list_images
from scalefree.files import atomic_write
from scalefree.paths import user_cache
from scalefree.terminal import shown

Decoded = tuple[RawSplit, RawSplit, tuple[str, ...]]
Prepared = tuple[RawSplit, RawSplit, tuple[str, ...], dict[str, str]]
log = logging.getLogger(__name__)


def prepared(decoded: Decoded) -> Prepared:
    """Both splits in canonical order with their fingerprints."""
    train, test, names = decoded
    (train, train_print), (test, test_print) = canonical(train), canonical(test)
    return train, test, names, {"train": train_print, "test": test_print}


def _digests(files: list[Path]) -> dict[Path, bytes]:
    return {file: hashlib.sha256(content(file)).digest() for file in files}


def _digests_of(listing: Listing) -> dict[Path, bytes]:
    """The SHA-256 of every file's content; several folders at once, which hides network latency."""
    folders = [files for classes in listing.values() for files in classes.values()]
    found: dict[Path, bytes] = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for digests in pool.map(_digests, folders):
            found |= digests
    return found


def content_key(listing: Listing, digests: Mapping[Path, bytes]) -> str:
    """The cache key of a listing: a hash of the decoders and of each file's class, name and content."""
    key = hashlib.sha256(decoders().encode())
    for split, classes in listing.items():
        for name, files in classes.items():
            for file in files:
                key.update(b"\0" + os.fsencode(f"{split}/{name}/{file.name}") + b"\0" + digests[file])
    return key.hexdigest()


def _labelled(listing: Listing, split: str, images: Images) -> RawSplit:
    """A split from its images in canonical order, which sorts by label first."""
    counts = [len(files) for files in listing[split].values()]
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != sum(counts):
        raise ValueError(f"{split} images of shape {images.shape} and type {images.dtype}")
    return RawSplit(images, np.repeat(np.arange(len(counts)), counts))


def _read(path: Path, key: str, listing: Listing) -> Prepared | None:
    try:
        stream = open_file(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.info("no image cache in %s: %s", shown(path), shown(error))
        return None
    try:
        # Opened here, because NumPy leaves a file open if it cannot read it.
        with stream, np.load(stream, allow_pickle=False) as file:
            told = {name: str(file[name]) for name in ("key", "train_fingerprint", "test_fingerprint")}
            train, test = (_labelled(listing, split, file[f"{split}_images"]) for split in ("train", "test"))
            found = prepared((train, test, class_names(listing)))
    except Exception as error:  # truncated or foreign in any way: it is only a cache
        log.warning("the image cache %s is damaged (%s) and will be made again", shown(path), shown(error))
        return None
    if told != {"key": key, **{f"{split}_fingerprint": value for split, value in found[3].items()}}:
        log.warning("the image cache %s does not contain what it claims and will be made again", shown(path))
        return None
    return found


def _write(path: Path, key: str, prepared: Prepared) -> None:
    train, test, _, prints = prepared
    with atomic_write(path) as file:
        np.savez(
            file,
            allow_pickle=False,
            key=np.array(key),
            train_images=train.images,
            train_fingerprint=np.array(prints["train"]),
            test_images=test.images,
            test_fingerprint=np.array(prints["test"]),
        )


def read_image_folder(root: Path) -> Prepared:
    """Both splits in canonical order, the class names in label order, and the fingerprints.

    Decoded images are cached in `root/.scalefree_cache/`, or in the user's cache if that folder is not writable. Any
    number of processes may do this at once: each writes its own file and renames it. A cache that cannot be read is
    made again; if it cannot be written, the images are used without it.

    Raises:
        DatasetError: something is wrong with the folder or one of its images.
    """
    listing = list_images(root)
    folders = [folder for folder in (root / ".scalefree_cache", user_cache()) if folder is not None]
    key = content_key(listing, _digests_of(listing))
    for folder in folders:
        found = _read(folder / f"{key[:16]}.npz", key, listing)
        if found is not None:
            return found
    splits, digests = decode_images(listing)
    made = prepared((splits["train"], splits["test"], class_names(listing)))
    key = content_key(
        listing, digests
    )  # of the bytes that were actually decoded: the files may have changed in the meantime
    for folder in folders:
        try:
            _write(folder / f"{key[:16]}.npz", key, made)
        except OSError as error:
            log.info("no image cache in %s: %s", shown(folder), shown(error))
        else:
            break
    return made


def read(name: str, root: Path | None, resolution: int | None = None) -> Prepared:
    """An image folder as a data set.

    Raises:
        DatasetError: no folder is named, or whatever is wrong with it.
    """
    if root is None:
        raise DatasetError(f"dataset={name} needs root, a folder of images")
    return read_image_folder(root)
