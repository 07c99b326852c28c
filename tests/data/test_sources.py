"""Digits, CIFAR, fingerprints, canonical order and held-out splits."""

import hashlib
import multiprocessing
import os
import pickle
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torchvision import datasets

from scalefree.data import DatasetError, cifar, load_dataset
from scalefree.data.dataset import RawSplit, canonical


def test_every_digit_appears_once() -> None:
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


def test_the_fingerprint_is_the_documented_one_in_any_order() -> None:
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
    """A tiny CIFAR-10 in torchvision's format; torchvision is told to expect its MD5 sums."""
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


def accepted(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Makes that tiny CIFAR-10, has it accepted as the published one, and returns its fingerprints."""
    content = torchvision_cifar10(root, monkeypatch)
    prints = {}
    for split, name in (("train", "data_batch_1"), ("test", "test_batch")):
        data, labels = content[name]
        raw = RawSplit(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels))
        prints[split] = canonical(raw)[1]
    monkeypatch.setitem(cifar.FINGERPRINTS, "cifar10", prints)
    return prints


def test_reads_cifar10_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = accepted(tmp_path, monkeypatch)
    dataset = load_dataset("cifar10", tmp_path)
    assert dataset.fingerprints == prints
    assert dataset.class_names[3] == "class3"
    assert dataset.mean == (0.4914, 0.4822, 0.4465)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-batches-py"], "existing files are only read"


def offline(self: object) -> None:
    raise OSError("no network")


def test_no_cache_stands_in_for_a_folder_that_lost_its_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what was read from it before, nor what the user's cache holds."""
    prints = accepted(tmp_path, monkeypatch)
    monkeypatch.setattr(datasets.CIFAR10, "download", offline)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache" / "scalefree").mkdir(parents=True)
    kept = (tmp_path / "cifar-10-batches-py").rename(tmp_path / "cache" / "scalefree" / "cifar-10-batches-py")
    assert load_dataset("cifar10").fingerprints == prints
    with pytest.raises(DatasetError, match="could not be downloaded"):
        load_dataset("cifar10", tmp_path)
    (kept / "test_batch").write_bytes(b"")
    with pytest.raises(DatasetError, match="could not be downloaded"):
        load_dataset("cifar10")


def download_slowly(self: datasets.CIFAR10) -> None:
    """Replaces torchvision's download: unpacks `archive.tar`, one file at a time, and notes it in `told`."""
    if self._check_integrity():
        return
    root = Path(self.root)
    with (root.parent / "told").open("a") as told:
        told.write("download\n")
    with tarfile.open(root.parent / "archive.tar") as archive:
        for member in archive:
            time.sleep(0.2)
            archive.extract(member, root, filter="data")


def load_cifar10(root: Path, queue: "multiprocessing.Queue[dict[str, str]]") -> None:
    queue.put(load_dataset("cifar10", root).fingerprints)


def test_simultaneous_first_downloads_wait_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = accepted(tmp_path, monkeypatch)
    with tarfile.open(tmp_path / "archive.tar", "w") as archive:
        archive.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(datasets.CIFAR10, "download", download_slowly)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=load_cifar10, args=(tmp_path / "data", queue)) for _ in range(3)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60) for _ in processes] == [prints] * 3
    for process in processes:
        process.join()
    assert (tmp_path / "told").read_text() == "download\n"


def test_a_waiting_process_restarts_a_killed_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = accepted(tmp_path, monkeypatch)
    with tarfile.open(tmp_path / "archive.tar", "w") as archive:
        archive.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(datasets.CIFAR10, "download", download_slowly)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    first, second = (context.Process(target=load_cifar10, args=(tmp_path / "data", queue)) for _ in range(2))
    first.start()
    while not (tmp_path / "told").exists():
        time.sleep(0.01)
    second.start()
    time.sleep(0.3)
    first.kill()
    assert queue.get(timeout=60) == prints
    for process in (first, second):
        process.join()
    assert (tmp_path / "told").read_text() == "download\ndownload\n"


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py/data_batch_1"])
def test_a_pipe_in_place_of_a_download_is_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(tmp_path, monkeypatch)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(DatasetError, match=f"{name} is a folder, a pipe or a device"):
        load_dataset("cifar10", tmp_path)


def test_without_a_home_folder_a_download_needs_dataset_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "user_cache", lambda: None)
    with pytest.raises(
        DatasetError, match=r"cifar10 cannot be downloaded, because there is no home folder; set dataset\.root"
    ):
        load_dataset("cifar10")


def test_other_images_under_a_published_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision_cifar10(tmp_path, monkeypatch)
    with pytest.raises(DatasetError, match=r"does not contain cifar10: the images of train/"):
        load_dataset("cifar10", tmp_path)


def test_an_image_folder_of_other_images_is_not_cifar10(image_folder: Path) -> None:
    with pytest.raises(DatasetError, match="use dataset=image_folder for other images"):
        load_dataset("cifar10", image_folder)


def test_a_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "download", offline)
    with pytest.raises(DatasetError, match=r"could not be downloaded .*no network.*dataset\.root"):
        load_dataset("cifar10", tmp_path)


def test_an_unknown_dataset_is_refused() -> None:
    with pytest.raises(DatasetError, match="dataset=mnist"):
        load_dataset("mnist")


@pytest.mark.skipif(not os.environ.get("SCALEFREE_CIFAR10"), reason="SCALEFREE_CIFAR10 names no unpacked CIFAR-10")
def test_reads_the_real_cifar10_from_an_image_folder() -> None:
    dataset = load_dataset("cifar10", os.environ["SCALEFREE_CIFAR10"])
    assert dataset.fingerprints == cifar.FINGERPRINTS["cifar10"]
    assert dataset.class_names[0] == "airplane" and len(dataset.train) == 50000


@pytest.mark.parametrize(("channels", "named"), [((0, 1, 2), "channel 0"), ((2,), "channel 2"), (None, "every pixel")])
def test_a_channel_that_never_changes_is_refused_by_number(
    channels: tuple[int, ...] | None, named: str, tmp_path: Path
) -> None:
    """None: grey images, which have one."""
    pixels = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(3):
                image = pixels.integers(0, 256, (8, 8, 3), np.uint8)
                image[..., 0 if channels is None else channels] = 7
                Image.fromarray(image[..., 0] if channels is None else image).save(
                    tmp_path / split / name / f"{index}.png"
                )
    with pytest.raises(DatasetError, match=f"{named} has the same value in all training images"):
        load_dataset("image_folder", tmp_path)
