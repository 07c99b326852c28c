"""The cache of decoded images: used when sound, rebuilt when not, never required."""

import logging
import multiprocessing
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalefree.data import Dataset, DatasetError, cache, load_dataset
from scalefree.data import image_folder as source
from scalefree.data.image_folder import Listing
from scalefree.paths import user_cache


def cache_file(root: Path) -> Path:
    (file,) = (root / ".scalefree_cache").glob("*.npz")
    return file


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were decoded, in order."""
    calls: list[Path] = []

    def decode(listing: Listing):
        calls.append(next(iter(listing["train"].values()))[0].parents[2])
        return source.decode_images(listing)

    monkeypatch.setattr(cache, "decode_images", decode)
    return calls


def same(one: Dataset, other: Dataset) -> bool:
    """Whether two data sets hold the same images under the same labels and names."""
    return (
        one.train.images.equal(other.train.images)
        and one.train.labels.equal(other.train.labels)
        and one.test.images.equal(other.test.images)
        and (one.class_names, one.fingerprints) == (other.class_names, other.fingerprints)
    )


def test_images_are_decoded_once(image_folder: Path, decoded: list[Path]) -> None:
    first, second = load_dataset("image_folder", image_folder), load_dataset("image_folder", image_folder)
    assert len(decoded) == 1
    assert same(first, second)


def replace_unnoticed(path: Path, content: bytes) -> None:
    """Changes a file's content, but neither its size nor its modification time."""
    before = path.stat()
    path.write_bytes(content.ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns


def test_changed_content_of_the_same_size_and_time_is_decoded_again(image_folder: Path, decoded: list[Path]) -> None:
    one, two = (image_folder / "train" / "ant" / f"{number}.bmp" for number in (8, 9))
    for file, grey in ((one, 10), (two, 20)):
        Image.new("L", (8, 8), grey).save(file)
    before = load_dataset("image_folder", image_folder)
    replace_unnoticed(one, two.read_bytes())
    after = load_dataset("image_folder", image_folder)
    assert len(decoded) == 2 and after.fingerprints["train"] != before.fingerprints["train"]
    assert not (after.train.images == 10).flatten(1).all(1).any()


def test_an_image_that_moves_to_another_class_changes_its_label(
    image_folder: Path, decoded: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Even if the order of all images stays the same, from the last of a class to the first of the next."""
    before = load_dataset("image_folder", image_folder)
    (image_folder / "train" / "ant" / "3.png").rename(image_folder / "train" / "bee" / "!.png")
    after = load_dataset("image_folder", image_folder)
    assert len(decoded) == 2 and not caplog.messages
    assert after.train.labels.tolist() == [0] * 3 + [1] * 5 + [2] * 4
    assert after.fingerprints["train"] != before.fingerprints["train"]
    assert after.fingerprints["test"] == before.fingerprints["test"]


def test_renamed_classes_appear_under_their_new_names(image_folder: Path) -> None:
    load_dataset("image_folder", image_folder)
    for split in ("train", "test"):
        (image_folder / split / "bee").rename(image_folder / split / "beetle")
    assert load_dataset("image_folder", image_folder).class_names == ("ant", "beetle", "cat")


def test_folders_that_look_alike_do_not_share_their_images(tmp_path: Path, decoded: list[Path]) -> None:
    """Unwritable folders with equal names, sizes and times, which both use the user's cache."""
    found = []
    for folder, grey in ((tmp_path / "one", 10), (tmp_path / "other", 20)):
        for split in ("train", "test"):
            for label, name in enumerate(("ant", "bee")):
                file = folder / split / name / "0.bmp"
                file.parent.mkdir(parents=True)
                Image.new("L", (8, 8), grey + label).save(file)
                os.utime(file, ns=(0, 0))
        (folder / ".scalefree_cache").write_text("")
        found.append(load_dataset("image_folder", folder))
    assert decoded == [tmp_path / "one", tmp_path / "other"]
    assert [sorted(data.train.images.unique().tolist()) for data in found] == [[10, 11], [20, 21]]


def test_copies_of_a_folder_share_a_cache(image_folder: Path, tmp_path: Path, decoded: list[Path]) -> None:
    (image_folder / ".scalefree_cache").write_text("")
    shutil.copytree(image_folder, tmp_path / "copy")
    assert same(load_dataset("image_folder", image_folder), load_dataset("image_folder", tmp_path / "copy"))
    assert len(decoded) == 1


def test_a_cache_from_another_decoder_is_rebuilt(
    image_folder: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_dataset("image_folder", image_folder)
    monkeypatch.setattr(cache, "decoders", lambda: "scalefree 2 pil 1.0")
    load_dataset("image_folder", image_folder)
    assert len(decoded) == 2


def test_an_image_that_changes_while_it_is_read_does_not_spoil_the_cache(image_folder: Path) -> None:
    """It changes between the look for a cache and the decoding, so the new cache belongs to the new content."""
    file = image_folder / "train" / "ant" / "0.png"
    old = file.read_bytes()

    def decode(listing: Listing):
        Image.new("RGB", (8, 8)).save(file)
        return source.decode_images(listing)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "decode_images", decode)
        changed = load_dataset("image_folder", image_folder)
    file.write_bytes(old)
    assert load_dataset("image_folder", image_folder).fingerprints["train"] != changed.fingerprints["train"]


def test_a_cache_from_before_an_image_changed_is_rebuilt(
    image_folder: Path, decoded: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    first = load_dataset("image_folder", image_folder)
    old = cache_file(image_folder)
    kept = old.read_bytes()
    Image.new("RGB", (8, 8)).save(image_folder / "train" / "ant" / "0.png")
    old.unlink()
    second = load_dataset("image_folder", image_folder)
    cache_file(image_folder).write_bytes(kept)
    assert same(load_dataset("image_folder", image_folder), second) and not same(first, second)
    assert "does not contain what it claims" in caplog.text and len(decoded) == 3


def test_a_changed_image_is_decoded_again(image_folder: Path, decoded: list[Path]) -> None:
    load_dataset("image_folder", image_folder)
    Image.new("RGB", (8, 8)).save(image_folder / "train" / "ant" / "0.png")
    dataset = load_dataset("image_folder", image_folder)
    assert len(decoded) == 2
    assert (dataset.train.images == 0).flatten(1).all(1).sum() == 1


@pytest.mark.parametrize("kept", [0, 1, 200])
def test_a_damaged_cache_is_rebuilt(image_folder: Path, decoded: list[Path], caplog, kept: int) -> None:
    expected = load_dataset("image_folder", image_folder)
    file = cache_file(image_folder)
    file.write_bytes(file.read_bytes()[:kept])
    with caplog.at_level(logging.WARNING):
        again = load_dataset("image_folder", image_folder)
    assert "is damaged" in caplog.text and len(decoded) == 2
    assert again.train.images.equal(expected.train.images)
    load_dataset("image_folder", image_folder)
    assert len(decoded) == 2


def test_a_cache_with_changed_pixels_is_rebuilt(image_folder: Path, decoded: list[Path], caplog) -> None:
    load_dataset("image_folder", image_folder)
    file = cache_file(image_folder)
    with np.load(file, allow_pickle=False) as content:
        arrays = dict(content)
    arrays["train_images"] = arrays["train_images"] ^ 1
    np.savez(file, allow_pickle=False, **arrays)
    with caplog.at_level(logging.WARNING):
        load_dataset("image_folder", image_folder)
    assert "does not contain what it claims" in caplog.text and len(decoded) == 2


def test_a_pipe_in_place_of_the_cache_is_replaced(image_folder: Path, decoded: list[Path]) -> None:
    first = load_dataset("image_folder", image_folder)
    file = cache_file(image_folder)
    file.unlink()
    os.mkfifo(file)
    assert same(load_dataset("image_folder", image_folder), first) and len(decoded) == 2
    assert file.is_file()


@pytest.mark.parametrize(("mask", "mode"), [(0o002, 0o664), (0o077, 0o600)])
def test_the_cache_is_as_readable_as_any_new_file(image_folder: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        load_dataset("image_folder", image_folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache_file(image_folder).stat().st_mode) == mode


def test_without_a_user_cache_nothing_is_cached(
    image_folder: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (image_folder / ".scalefree_cache").write_text("")
    monkeypatch.setattr(cache, "user_cache", lambda: None)
    assert same(load_dataset("image_folder", image_folder), load_dataset("image_folder", image_folder))
    assert len(decoded) == 2


def test_a_pickle_in_place_of_the_cache_is_not_loaded(image_folder: Path, decoded: list[Path], tmp_path: Path) -> None:
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


def test_two_processes_may_build_the_cache_at_once(image_folder: Path) -> None:
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


def test_the_caches_permissions_follow_the_umask(image_folder: Path, umask: Callable[[int], int]) -> None:
    umask(0o002)
    load_dataset("image_folder", image_folder)
    assert cache_file(image_folder).stat().st_mode & 0o777 == 0o664


def test_the_users_cache_is_private_whatever_the_umask(umask: Callable[[int], int]) -> None:
    umask(0o000)
    folder = user_cache()
    assert folder is not None and folder.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home folder."""

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


def test_without_a_home_images_are_decoded_each_time(image_folder: Path, homeless: None, decoded: list[Path]) -> None:
    (image_folder / ".scalefree_cache").write_text("")
    for _ in range(2):
        load_dataset("image_folder", image_folder)
    assert len(decoded) == 2


def test_without_a_home_folder_a_download_needs_dataset_root(homeless: None) -> None:
    with pytest.raises(
        DatasetError, match=r"cifar10 cannot be downloaded, because there is no home folder; set dataset\.root"
    ):
        load_dataset("cifar10")
