"""Image folders: what is read, and everything that is refused by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalefree.data import DatasetError, load_dataset


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


def test_greyscale_images_have_one_channel_and_mixed_ones_three(image_folder: Path) -> None:
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
        (empty, "train/bee", "train/bee holds no image"),
        (remove, "train/bee", "test has the class 'bee' that train/ lacks"),
        (remove, "test/bee", "train has the class 'bee' that test/ lacks"),
        (truncate, "train/cat/2.png", "train/cat/2.png is no readable image"),
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


def test_hidden_files_and_other_files_are_passed_over(image_folder: Path) -> None:
    (image_folder / "train" / "ant" / ".hidden.png").write_bytes(b"")
    (image_folder / "train" / "ant" / "notes.txt").write_text("none")
    (image_folder / "train" / ".git").mkdir()
    assert len(load_dataset("image_folder", image_folder).train) == 12
