"""CIFAR at 16x16 and 8x8: exact averages of the published images, which are checked first."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scalefree.compose import run_config
from scalefree.config import ConfigError
from scalefree.data import DatasetError, cifar, load_dataset
from scalefree.data.cifar import averaged
from scalefree.data.dataset import RawSplit, canonical


@pytest.mark.parametrize("resolution", [16, 8])
def test_blocks_are_averaged_exactly_and_halves_rounded_up(resolution: int) -> None:
    images = np.random.default_rng(resolution).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    images[0, :8, :8] = 255
    images[1, :2, :2, 0] = [[1, 2], [1, 2]]  # an average of 1.5 at 16x16
    block = 32 // resolution
    found = averaged(images, resolution)
    assert found.shape == (2, resolution, resolution, 3) and found.dtype == np.uint8
    for n, i, j, c in np.ndindex(found.shape):
        pixels = images[n, i * block : (i + 1) * block, j * block : (j + 1) * block, c]
        mean = Fraction(int(pixels.astype(int).sum()), block * block)
        assert found[n, i, j, c] == int(mean + Fraction(1, 2))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of made-up images that passes for CIFAR-10."""
    rng = np.random.default_rng(0)
    prints = {}
    for split, count in (("train", 6), ("test", 2)):
        images = rng.integers(0, 256, (10 * count, 32, 32, 3), dtype=np.uint8)
        labels = np.repeat(np.arange(10), count)
        prints[split] = canonical(RawSplit(images, labels))[1]
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = tmp_path / split / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    monkeypatch.setitem(cifar.FINGERPRINTS, "cifar10", prints)
    return tmp_path


def test_smaller_images_have_their_own_fingerprints(folder: Path) -> None:
    whole = load_dataset("cifar10", folder)
    sizes = {whole.fingerprints["train"]: 32}
    for resolution in (32, 16, 8):
        found = load_dataset("cifar10", folder, resolution=resolution, validation_fraction=0.5)
        assert found.train.images.shape == (30, 3, resolution, resolution)
        assert found.mean == whole.mean, "every resolution uses the authors' constants"
        test = load_dataset("cifar10", folder, resolution=resolution).fingerprints["train"]
        sizes[test] = resolution
    assert sorted(sizes.values()) == [8, 16, 32]
    by_label = averaged(whole.test.images.numpy().transpose(0, 2, 3, 1), 16)
    found = load_dataset("cifar10", folder, resolution=16).test
    assert sorted(image.tobytes() for image in by_label) == sorted(
        image.numpy().transpose(1, 2, 0).tobytes() for image in found.images
    )


def test_the_published_images_are_checked_before_they_are_averaged(folder: Path) -> None:
    image = folder / "train" / "class0" / "0.png"
    pixels = np.asarray(Image.open(image)).copy()
    pixels[0, 0, 0], pixels[0, 1, 0] = pixels[0, 1, 0], pixels[0, 0, 0]  # the averages do not change
    Image.fromarray(pixels).save(image)
    with pytest.raises(DatasetError, match="does not contain cifar10"):
        load_dataset("cifar10", folder, resolution=16)


@pytest.mark.parametrize("resolution", [0, 1, 31, 64, -16])
def test_other_resolutions_are_refused_with_the_possible_ones(resolution: int) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.resolution={resolution} is impossible; choose one of 32, 16, 8"):
        run_config({"dataset": "cifar10", "dataset.resolution": resolution})


def test_other_data_sets_have_only_one_size() -> None:
    with pytest.raises(ConfigError, match="only for cifar10 and cifar100; digits has one size"):
        run_config({"dataset.resolution": 16})
