"""A small image folder to build on and to damage."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def write_folder(
    root: Path, per_class: int = 4, classes: tuple[str, ...] = ("ant", "bee", "cat"), size: int = 8
) -> None:
    """Random RGB images `root/{train,test}/<class>/<n>.png`, the same for the same arguments."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in classes:
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(per_class):
                pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    write_folder(root)
    return root
