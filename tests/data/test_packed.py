"""A packed file gives exactly the data set of the image folder, and any other content is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalefree.data import DatasetError, cifar, load_dataset, packed
from scalefree.data.cache import read_image_folder
from scalefree.data.cifar import averaged
from scalefree.data.dataset import RawSplit, canonical
from scalefree.data.packed import pack, packed_path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of made-up images under CIFAR-10's names; it and its averages pass for CIFAR-10."""
    rng = np.random.default_rng(0)
    whole, small = {}, {}
    for split, count in (("train", 6), ("test", 2)):
        images = rng.integers(0, 256, (10 * count, 32, 32, 3), dtype=np.uint8)
        labels = np.repeat(np.arange(10), count)
        whole[split] = canonical(RawSplit(images, labels))[1]
        small[split] = canonical(RawSplit(averaged(images, 16), labels))[1]
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = tmp_path / "folder" / split / packed.CLASSES["cifar10"][label] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    monkeypatch.setitem(cifar.FINGERPRINTS, "cifar10", whole)
    monkeypatch.setitem(packed.FINGERPRINTS, ("cifar10", 16), small)
    return tmp_path / "folder"


@pytest.fixture
def root(folder: Path) -> Path:
    """A folder that holds only the packed averages."""
    found = folder.parent / "packed"
    found.mkdir()
    pack(packed_path(found, "cifar10", 16), cifar.read("cifar10", folder, 16))
    return found


def test_a_packed_file_gives_the_folders_data_set(folder: Path, root: Path) -> None:
    chosen = {"resolution": 16, "validation_fraction": 0.5}
    expected, found = (load_dataset("cifar10", source, **chosen) for source in (folder, root))
    assert (found.fingerprints, found.class_names) == (expected.fingerprints, expected.class_names)
    assert (found.mean, found.std) == (expected.mean, expected.std)
    for name, split in expected.splits.items():
        assert found.splits[name].images.equal(split.images) and found.splits[name].labels.equal(split.labels), name
        assert found.splits[name].images.stride() == split.images.stride()


def test_a_packed_file_is_used_only_at_its_resolution(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torchvision(*arguments: object) -> object:
        raise DatasetError("from torchvision")

    monkeypatch.setattr(cifar, "_from_torchvision", torchvision)
    for resolution in (None, 32, 8):
        with pytest.raises(DatasetError, match="from torchvision"):
            load_dataset("cifar10", root, resolution=resolution)


def forged(found: cifar.Prepared, kind: str) -> cifar.Prepared:
    train, test, names, prints = found
    images, labels = train.images.copy(), train.labels.copy()
    if kind == "a pixel":
        images[3, 4, 5, 0] ^= 1
    elif kind == "two labels":
        labels[[0, -1]] = labels[[-1, 0]]
    else:
        images, labels = images[1:], labels[1:]
    return RawSplit(images, labels), test, names, prints


@pytest.mark.parametrize("kind", ["a pixel", "two labels", "one image fewer"])
def test_a_forged_file_is_refused(kind: str, folder: Path, root: Path) -> None:
    pack(packed_path(root, "cifar10", 16), forged(cifar.read("cifar10", folder, 16), kind))
    with pytest.raises(DatasetError, match=r"cifar10-16x16\.npz does not contain cifar10 averaged to 16x16.*pack\.py"):
        load_dataset("cifar10", root, resolution=16)


def test_a_file_of_other_images_is_refused(root: Path) -> None:
    rng = np.random.default_rng(1)
    raw = RawSplit(rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8), np.arange(20) % 10)
    pack(packed_path(root, "cifar10", 16), (raw, raw, packed.CLASSES["cifar10"], {}))
    with pytest.raises(DatasetError, match="does not contain cifar10"):
        load_dataset("cifar10", root, resolution=16)


@pytest.mark.parametrize("damage", ["truncated", "empty", "a flipped byte", "another archive", "wrong types"])
def test_a_damaged_file_is_refused(damage: str, root: Path) -> None:
    path = packed_path(root, "cifar10", 16)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "a flipped byte":
        content[len(content) // 3] ^= 0x10
        path.write_bytes(content)
    elif damage == "another archive":
        np.savez(path, images=np.zeros(3))
    else:
        wrong = {
            f"{split}_{kind}": np.zeros((3, 2, 4, 4))
            for split in ("train", "test")
            for kind in ("differences", "labels")
        }
        np.savez(path, **wrong)
    with pytest.raises(DatasetError, match=r"cifar10-16x16\.npz is damaged .*pack\.py"):
        load_dataset("cifar10", root, resolution=16)


@pytest.mark.skipif(not os.environ.get("SCALEFREE_CIFAR10"), reason="SCALEFREE_CIFAR10 names no unpacked CIFAR-10")
def test_the_real_averages_have_the_recorded_fingerprints() -> None:
    train, test, names, _ = read_image_folder(Path(os.environ["SCALEFREE_CIFAR10"]))
    found = {
        split: canonical(RawSplit(averaged(raw.images, 16), raw.labels))[1]
        for split, raw in (("train", train), ("test", test))
    }
    assert names == packed.CLASSES["cifar10"]
    assert found == packed.FINGERPRINTS["cifar10", 16]
