"""The decoded images' cache: used when sound, made again when not, never required."""

import logging
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalefree.data import DatasetError, load, load_dataset
from scalefree.data import image_folder as source
from scalefree.data.cache import user_cache


def cache_file(root: Path) -> Path:
    (file,) = (root / ".scalefree_cache").glob("*.npz")
    return file


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were decoded, in order."""
    calls: list[Path] = []

    def read(root: Path):
        calls.append(root)
        return source.read_image_folder(root)

    monkeypatch.setattr(load, "read_image_folder", read)
    return calls


def test_decoded_once(image_folder: Path, decoded: list[Path]) -> None:
    first, second = load_dataset("image_folder", image_folder), load_dataset("image_folder", image_folder)
    assert len(decoded) == 1
    assert first.train.images.equal(second.train.images) and first.fingerprints == second.fingerprints


def test_a_touched_image_is_decoded_again(image_folder: Path, decoded: list[Path]) -> None:
    load_dataset("image_folder", image_folder)
    Image.new("RGB", (8, 8)).save(image_folder / "train" / "ant" / "0.png")
    dataset = load_dataset("image_folder", image_folder)
    assert len(decoded) == 2
    assert (dataset.train.images == 0).flatten(1).all(1).sum() == 1


@pytest.mark.parametrize("kept", [0, 1, 200])
def test_a_damaged_cache_is_made_again(image_folder: Path, decoded: list[Path], caplog, kept: int) -> None:
    expected = load_dataset("image_folder", image_folder)
    file = cache_file(image_folder)
    file.write_bytes(file.read_bytes()[:kept])
    with caplog.at_level(logging.WARNING):
        again = load_dataset("image_folder", image_folder)
    assert "is damaged" in caplog.text and len(decoded) == 2
    assert again.train.images.equal(expected.train.images)
    load_dataset("image_folder", image_folder)
    assert len(decoded) == 2


def test_a_cache_with_other_images_is_made_again(image_folder: Path, decoded: list[Path], caplog) -> None:
    load_dataset("image_folder", image_folder)
    file = cache_file(image_folder)
    with np.load(file, allow_pickle=False) as content:
        arrays = dict(content)
    arrays["train_images"] = arrays["train_images"] ^ 1
    np.savez(file, allow_pickle=False, **arrays)
    with caplog.at_level(logging.WARNING):
        load_dataset("image_folder", image_folder)
    assert "does not hold what it says" in caplog.text and len(decoded) == 2


def test_a_pickle_in_its_place_is_not_loaded(image_folder: Path, decoded: list[Path], tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    load_dataset("image_folder", image_folder)
    np.savez(cache_file(image_folder), train_images=np.array([Bomb()], dtype=object))
    load_dataset("image_folder", image_folder)
    assert not (tmp_path / "exploded").exists() and len(decoded) == 2


def test_a_folder_that_cannot_be_written_uses_the_users_cache(image_folder: Path, decoded: list[Path]) -> None:
    # A file where the cache folder would be: the tests may run as root, who may write everywhere.
    (image_folder / ".scalefree_cache").write_text("")
    load_dataset("image_folder", image_folder)
    load_dataset("image_folder", image_folder)
    assert len(decoded) == 1
    assert list((Path(os.environ["XDG_CACHE_HOME"]) / "scalefree").glob("*.npz"))


def load_fingerprints(root: Path, queue) -> None:
    queue.put(load_dataset("image_folder", root).fingerprints)


def test_two_processes_may_make_it_at_once(image_folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=load_fingerprints, args=(image_folder, queue)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert found[0] == found[1] == load_dataset("image_folder", image_folder).fingerprints
    assert not list((image_folder / ".scalefree_cache").glob("*.tmp"))


def test_its_permissions_are_what_the_umask_says(image_folder: Path, umask: Callable[[int], int]) -> None:
    umask(0o002)
    load_dataset("image_folder", image_folder)
    assert cache_file(image_folder).stat().st_mode & 0o777 == 0o664


def test_the_users_cache_is_this_users_alone_whatever_the_umask(umask: Callable[[int], int]) -> None:
    umask(0o000)
    folder = user_cache()
    assert folder is not None and folder.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of whom the system knows nothing."""

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", unknown)


def test_without_a_home_images_are_decoded_each_time(image_folder: Path, homeless: None, decoded: list[Path]) -> None:
    (image_folder / ".scalefree_cache").write_text("")
    for _ in range(2):
        load_dataset("image_folder", image_folder)
    assert len(decoded) == 2


def test_without_a_home_a_download_needs_a_place(homeless: None) -> None:
    with pytest.raises(DatasetError, match=r"dataset=cifar10 .* no home; set dataset\.root"):
        load_dataset("cifar10")
