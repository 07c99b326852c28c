"""Image folders: what is read, and everything that is refused by name."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalefree.data import DatasetError, load_dataset
from scripts.entry import ENVIRONMENT


def test_reads_every_image_with_its_label(image_folder: Path) -> None:
    dataset = load_dataset("image_folder", image_folder)
    assert dataset.class_names == ("ant", "bee", "cat")
    found = {
        (int(label), image.numpy().tobytes())
        for image, label in zip(dataset.train.images, dataset.train.labels, strict=True)
    }
    expected = {
        (label, np.asarray(Image.open(file)).transpose(2, 0, 1).tobytes())
        for label, name in enumerate(dataset.class_names)
        for file in (image_folder / "train" / name).iterdir()
    }
    assert found == expected
    assert len(dataset.train) == len(dataset.test) == 12


def test_order_and_fingerprint_do_not_depend_on_file_names(image_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "renamed"
    shutil.copytree(image_folder, other, ignore=shutil.ignore_patterns(".scalefree_cache"))
    files = sorted((other / "train" / "ant").iterdir())
    for number, file in enumerate(reversed(files)):
        file.rename(file.with_name(f"z{number}.png"))
    one, two = load_dataset("image_folder", image_folder), load_dataset("image_folder", other)
    assert one.fingerprints == two.fingerprints
    assert one.train.images.equal(two.train.images) and one.train.labels.equal(two.train.labels)


def test_one_changed_pixel_changes_the_fingerprint(image_folder: Path) -> None:
    before = load_dataset("image_folder", image_folder).fingerprints
    file = image_folder / "train" / "bee" / "1.png"
    pixels = np.asarray(Image.open(file)).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(file)
    after = load_dataset("image_folder", image_folder).fingerprints
    assert after["train"] != before["train"] and after["test"] == before["test"]


def test_greyscale_folders_have_one_channel_and_mixed_ones_three(image_folder: Path) -> None:
    for file in image_folder.rglob("*.png"):
        Image.open(file).convert("L").save(file)
    assert load_dataset("image_folder", image_folder).in_channels == 1
    colour = image_folder / "test" / "cat" / "0.png"
    Image.open(colour).convert("RGB").save(colour)
    assert load_dataset("image_folder", image_folder).in_channels == 3


def test_statistics_are_those_of_the_training_pixels(image_folder: Path) -> None:
    dataset = load_dataset("image_folder", image_folder, validation_fraction=0.25)
    pixels = np.stack([np.asarray(Image.open(file)) for file in (image_folder / "train").rglob("*.png")]) / 255
    np.testing.assert_allclose(dataset.mean, pixels.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(dataset.std, pixels.std((0, 1, 2)), rtol=1e-9)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def empty(path: Path) -> None:
    remove(path)
    path.mkdir()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def enlarge(path: Path) -> None:
    Image.new("RGB", (9, 9)).save(path)


@pytest.mark.parametrize(
    ("damage", "where", "message"),
    [
        (remove, ".", "does not exist"),
        (empty, ".", "no train/ folder"),
        (remove, "test", "no test/ folder"),
        (empty, "train", "no class folders"),
        (empty, "train/bee", "train/bee contains no images"),
        (remove, "train/bee", "test has the class 'bee', which train/ lacks"),
        (remove, "test/bee", "train has the class 'bee', which test/ lacks"),
        (truncate, "train/cat/2.png", "train/cat/2.png is not a readable image"),
        (enlarge, "test/ant/3.png", "test/ant/3.png is 9x9 but"),
    ],
)
def test_refuses_by_name(image_folder: Path, damage, where: str, message: str) -> None:
    damage(image_folder / where)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset("image_folder", image_folder)
    assert str(image_folder) in str(caught.value) and "\n" not in str(caught.value)


def test_refuses_images_that_are_too_small(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.new("RGB", (7, 8)).save(tmp_path / split / "a" / "0.png")
    with pytest.raises(DatasetError, match=r"0\.png is 7x8; the networks need at least 8"):
        load_dataset("image_folder", tmp_path)


def test_hidden_files_and_desktop_leftovers_are_ignored(image_folder: Path) -> None:
    for folder in (image_folder, image_folder / "train", image_folder / "train" / "ant"):
        for name in (".hidden.png", ".DS_Store", "._0.png", "Thumbs.db", "desktop.ini"):
            (folder / name).write_bytes(b"")
        (folder / ".git").mkdir()
    assert len(load_dataset("image_folder", image_folder).train) == 12


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    # A socket's path has at most a hundred characters.
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):
        made.bind(path.name)


@pytest.mark.parametrize(
    ("where", "make", "message"),
    [
        ("train/ant/more", Path.mkdir, "train/ant/more is a folder; move its images"),
        ("train/ant/4.png", Path.mkdir, "train/ant/4.png is a folder; move its images"),
        ("test/cat/4.tif", Path.touch, "test/cat/4.tif does not have the suffix of an image"),
        ("train/bee/notes.txt", Path.touch, "train/bee/notes.txt does not have the suffix of an image"),
        ("train/bee/image", Path.touch, "train/bee/image does not have the suffix of an image"),
        ("train/4.png", Path.touch, "train/4.png is not a class folder"),
        ("test/labels.csv", Path.touch, "test/labels.csv is not a class folder"),
        ("train/dog", lambda path: path.symlink_to("gone"), "train/dog is not a class folder"),
        ("train/dog", pipe, "train/dog is not a class folder"),
        ("train/ant/4.png", lambda path: path.symlink_to("gone.png"), "train/ant/4.png is a broken link"),
        ("train/ant/4.png", lambda path: path.symlink_to("4.png"), "train/ant/4.png"),
        ("train/ant/4.png", lambda path: path.symlink_to("/dev/zero"), "train/ant/4.png cannot be read .*a device"),
        ("train/ant/4.png", pipe, "train/ant/4.png cannot be read .*a pipe"),
        ("train/ant/4.png", unix_socket, "train/ant/4.png cannot be read"),
        ("train/dog", lambda path: path.symlink_to("../train"), "train/dog/ant is a folder"),
    ],
)
def test_anything_that_is_not_an_image_is_refused_by_name(
    image_folder: Path, where: str, make: Callable[[Path], None], message: str
) -> None:
    """Even if a cache holds all the other images, and without waiting for a pipe."""
    load_dataset("image_folder", image_folder)
    make(image_folder / where)
    with pytest.raises(DatasetError, match=message):
        load_dataset("image_folder", image_folder)


def test_a_root_that_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatasetError, match="pipe is not a folder"):
        load_dataset("image_folder", tmp_path / "pipe")
    with pytest.raises(DatasetError, match="File name too long"):
        load_dataset("image_folder", tmp_path / ("x" * 300))


def test_other_folders_beside_train_and_test_are_reported(image_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (image_folder / "val").mkdir()
    with caplog.at_level("INFO"):
        load_dataset("image_folder", image_folder)
    assert caplog.messages == [f"only train/ and test/ of {image_folder} are read, not val"]


def test_links_to_files_and_classes_are_followed(image_folder: Path) -> None:
    for split in ("train", "test"):
        (image_folder / split / "ant" / "9.png").symlink_to("0.png")
        (image_folder / split / "dog").symlink_to("bee", target_is_directory=True)
    dataset = load_dataset("image_folder", image_folder)
    assert dataset.class_names == ("ant", "bee", "cat", "dog") and len(dataset.train) == 12 + 1 + 4


def renamed(path: Path, name: bytes) -> Path:
    return path.rename(path.with_name(os.fsdecode(name)))


def test_names_may_be_any_bytes(image_folder: Path) -> None:
    before = load_dataset("image_folder", image_folder).fingerprints
    for split in ("train", "test"):
        renamed(image_folder / split / "ant" / "0.png", b"caf\xe9.png")
        renamed(image_folder / split / "cat", b"k\xe4tzchen \x1b[31m")
        renamed(image_folder / split / "bee", "biene \u00e4".encode())
    dataset = load_dataset("image_folder", image_folder)
    assert dataset.class_names == ("ant", "biene \u00e4", "k\\xe4tzchen \x1b[31m")
    assert dataset.fingerprints == before


def test_control_characters_in_a_name_are_escaped(image_folder: Path) -> None:
    renamed(image_folder / "train" / "ant" / "0.png", b"\x1b[2J\r\n\xe9.png").write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        load_dataset("image_folder", image_folder)
    assert r"train/ant/\x1b[2J\r\n\xe9.png is not a readable image" in str(caught.value)
    assert str(caught.value).isprintable()


def test_labels_do_not_depend_on_the_locale(image_folder: Path) -> None:
    """One name in Latin-1 and one in UTF-8, which sort differently as Python strings and as bytes."""
    for split in ("train", "test"):
        renamed(image_folder / split / "ant", "\ud55c".encode())
        renamed(image_folder / split / "bee", b"\xe9")
    tell = "import json, sys; from scalefree.data import load_dataset as load; d = load('image_folder', sys.argv[1]);"
    tell += "print(json.dumps([d.class_names, d.fingerprints]))"
    here = load_dataset("image_folder", image_folder)
    assert here.class_names == ("cat", "\\xe9", "\ud55c")
    for locale in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONUTF8": "1"}):
        shutil.rmtree(image_folder / ".scalefree_cache")
        arguments = [sys.executable, "-c", tell, image_folder]
        done = subprocess.run(arguments, env={**ENVIRONMENT, **locale}, capture_output=True, check=True)
        assert json.loads(done.stdout) == [list(here.class_names), here.fingerprints]
