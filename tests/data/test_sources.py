"""Digits, CIFAR, fingerprints, canonical order and held-out parts."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision import datasets

from scalefree.data import DatasetError, cifar, load_dataset
from scalefree.data.dataset import RawSplit, canonical


def test_digits_are_all_there_once() -> None:
    dataset = load_dataset("digits")
    original = load_digits()
    expected = sorted(
        (int(t), (i * 15).astype(np.uint8).tobytes()) for i, t in zip(original.images, original.target, strict=True)
    )
    found = sorted(
        (int(label), image.numpy().tobytes())
        for split in (dataset.train, dataset.test)
        for image, label in zip(split.images, split.labels, strict=True)
    )
    assert found == expected
    assert dataset.train.images.shape[1:] == (1, 8, 8) and len(dataset.test) == 359


def test_digits_split_is_balanced_and_fixed() -> None:
    dataset = load_dataset("digits")
    totals = np.bincount(load_digits().target)
    held = torch.bincount(dataset.test.labels).numpy()
    assert np.abs(held - totals / 5).max() <= 0.5
    assert dataset.fingerprints["test"].startswith("90d30d48ec232f62")


def test_validation_is_balanced_disjoint_and_leaves_test_alone() -> None:
    whole, part = load_dataset("digits"), load_dataset("digits", validation_fraction=0.1)
    assert part.validation is not None
    per_class = torch.bincount(whole.train.labels)
    assert (torch.bincount(part.validation.labels) - per_class / 10).abs().max() <= 0.5
    assert part.test.images.equal(whole.test.images)
    assert len(part.train) + len(part.validation) == len(whole.train)
    both = torch.cat((part.train.images, part.validation.images)).flatten(1)
    assert sorted(map(bytes, both.numpy())) == sorted(map(bytes, whole.train.images.flatten(1).numpy()))
    assert (part.mean, part.std) == (whole.mean, whole.std)


def test_per_class_keeps_that_many_training_images() -> None:
    dataset = load_dataset("digits", per_class=7)
    assert torch.bincount(dataset.train.labels).tolist() == [7] * 10
    assert len(dataset.test) == 359
    with pytest.raises(DatasetError, match=r"dataset\.per_class=1000 is more than the \d+ images of class 0"):
        load_dataset("digits", per_class=1000)


def test_fingerprint_is_the_published_construction_in_any_order() -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8), rng.integers(0, 5, 20)
    parts = sorted(
        hashlib.sha256(bytes([int(label)]) + image.tobytes()).digest()
        for image, label in zip(images, labels, strict=True)
    )
    expected = hashlib.sha256(b"".join(parts)).hexdigest()
    order = rng.permutation(20)
    one, first = canonical(RawSplit(images, labels))
    two, second = canonical(RawSplit(images[order], labels[order]))
    assert first == second == expected
    assert (one.images == two.images).all() and (one.labels == two.labels).all()
    assert (np.diff(one.labels) >= 0).all()


def torchvision_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, list[int]]]:
    """A tiny CIFAR-10 in torchvision's own format, whose MD5 sums torchvision is told to expect."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    content = {}
    for name in ("data_batch_1", "test_batch"):
        data, labels = rng.integers(0, 256, (20, 3072), dtype=np.uint8), [i % 10 for i in range(20)]
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": labels}))
        content[name] = (data, labels)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class{i}" for i in range(10)]}))
    sums = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return content


def test_cifar10_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = torchvision_cifar10(tmp_path, monkeypatch)
    prints = {}
    for split, name in (("train", "data_batch_1"), ("test", "test_batch")):
        data, labels = content[name]
        raw = RawSplit(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels))
        prints[split] = canonical(raw)[1]
    monkeypatch.setitem(cifar.FINGERPRINTS, "cifar10", prints)
    dataset = load_dataset("cifar10", tmp_path)
    assert dataset.fingerprints == prints
    assert dataset.class_names[3] == "class3"
    assert dataset.mean == (0.4914, 0.4822, 0.4465)


def test_other_images_under_a_published_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision_cifar10(tmp_path, monkeypatch)
    with pytest.raises(DatasetError, match=r"does not hold cifar10: the images of train/"):
        load_dataset("cifar10", tmp_path)


def test_an_image_folder_of_other_images_is_not_cifar10(image_folder: Path) -> None:
    with pytest.raises(DatasetError, match="use dataset=image_folder for other images"):
        load_dataset("cifar10", image_folder)


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(self: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(datasets.CIFAR10, "download", offline)
    with pytest.raises(DatasetError, match=r"could not be downloaded .*no network.*dataset\.root"):
        load_dataset("cifar10", tmp_path)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(DatasetError, match="dataset=mnist"):
        load_dataset("mnist")


@pytest.mark.skipif(not os.environ.get("SCALEFREE_CIFAR10"), reason="SCALEFREE_CIFAR10 names no unpacked CIFAR-10")
def test_the_real_cifar10_from_an_image_folder() -> None:
    dataset = load_dataset("cifar10", os.environ["SCALEFREE_CIFAR10"])
    assert dataset.fingerprints == cifar.FINGERPRINTS["cifar10"]
    assert dataset.class_names[0] == "airplane" and len(dataset.train) == 50000
