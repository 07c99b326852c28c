"""Truncated, corrupted, foreign and malicious files are refused by name with advice, and never executed."""

import io
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import Make
from faults.journals import files_of, result, whole
from scalefree.config import RunConfig
from scalefree.data import DatasetError, load_dataset
from scalefree.records import RecordError, Store, run_name
from scalefree.training import checkpoint, run, trainer
from scalefree.training.checkpoint import CheckpointError
from training.disturbed import after_save


class Killed(BaseException):
    """Stands for the end of the process."""


class Payload:
    """Unpickling this runs a command."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch executed",)


@pytest.fixture(autouse=True)
def nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Checks after every test that no payload ran, which would leave a file in the test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    assert not Path("executed").exists()


def test_the_payload_works() -> None:
    pickle.loads(pickle.dumps(Payload()))
    assert Path("executed").exists()
    Path("executed").unlink()


def interrupted(config: RunConfig) -> Path:
    """Trains until the process ends right after its third checkpoint, and returns that checkpoint."""

    def end() -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
        after_save(patch, 3, end)
        with pytest.raises(Killed):
            run(config)
    return Store(config.results_dir).directory(run_name(config)) / "checkpoint.pt"


def flipped(whole: bytes, place: int) -> bytes:
    return whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]


def saved(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def with_payload(whole: bytes) -> bytes:
    """The same archive, with sound checksums and a pickle that runs a command."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(file, "w") as made:
        for name in archive.namelist():
            made.writestr(name, pickle.dumps(Payload()) if name.endswith("data.pkl") else archive.read(name))
    return file.getvalue()


CHECKPOINTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "one byte": lambda whole: whole[:1],
    "half": lambda whole: whole[: len(whole) // 2],
    "all but the last byte": lambda whole: whole[:-1],
    "a flipped bit in a weight": lambda whole: flipped(whole, len(whole) // 2),
    "a pickle": lambda whole: pickle.dumps(Payload()),
    "a pickle in an archive": with_payload,
    "a payload among the weights": lambda whole: saved({"format": checkpoint.CHECKPOINT_FORMAT, "model": Payload()}),
    "other content": lambda whole: saved({"format": checkpoint.CHECKPOINT_FORMAT}),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_damaged_checkpoint_fails_its_run_and_is_kept(kind: str, tiny: Make, tmp_path: Path) -> None:
    """The user decides what to do; once the file is removed the same command trains from the beginning."""
    expected = tiny({"results_dir": str(tmp_path / "expected")})
    run(expected)
    config = tiny()
    path = interrupted(config)
    content = CHECKPOINTS[kind](path.read_bytes())
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt is not.*remove it to train this run from the begin"):
            run(config)
        failed = Store(config.results_dir).read(run_name(config))
        assert failed is not None and failed.outcome.status == "failed" and str(path) in failed.outcome.reason
        assert path.read_bytes() == content
    path.unlink()
    assert run(config).trained and result(config) == result(expected)
    assert files_of(config.results_dir) == whole(config)


RECORDS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "one byte": lambda whole: whole[:1],
    "half": lambda whole: whole[: len(whole) // 2],
    "without its last brace": lambda whole: whole[:-2],
    "a flipped bit in a key": lambda whole: flipped(whole, whole.index(b"outcome")),
    "a flipped bit in its configuration": lambda whole: flipped(whole, whole.index(b'"batch_size": 32') + 14),
    "a byte that is not text": lambda whole: whole.replace(b"adamw", b"adam\xff", 1),
    "a pickle": lambda whole: pickle.dumps(Payload()),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_damaged_record_is_refused_by_name_and_once_removed_trained_again(kind: str, tiny: Make) -> None:
    config = tiny()
    run(config)
    expected = result(config)
    path = Store(config.results_dir).directory(run_name(config)) / "record.json"
    path.write_bytes(RECORDS[kind](path.read_bytes()))
    with pytest.raises(RecordError, match=r"record\.json .*remove it and train the run again"):
        run(config)
    assert Store(config.results_dir).records() == {}
    path.unlink()
    assert run(config).trained and result(config) == expected


def test_curves_with_a_flipped_bit_are_refused_or_unchanged(tiny: Make) -> None:
    """A flipped bit outside the values (times, redundant sizes) may go unnoticed; one in a value never."""
    config = tiny()
    record = run(config).record
    store = Store(config.results_dir)
    path = store.directory(record.name) / "curves.npz"
    sound = path.read_bytes()
    expected = {name: array.tobytes() for name, array in store.curves(record).items()}
    rng = random.Random(2022)
    refused = 0
    for _ in range(200):
        path.write_bytes(flipped(sound, rng.randrange(len(sound))))
        try:
            found = {name: array.tobytes() for name, array in store.curves(record).items()}
        except RecordError as error:
            assert str(path) in str(error) and "remove the directory and train again" in str(error)
            refused += 1
        else:
            assert all(expected.get(name, array) == array for name, array in found.items())
    assert refused > 100
    for content in (pickle.dumps(Payload()), pickle.dumps({"train_loss": Payload()}, protocol=0)):
        path.write_bytes(content)
        with pytest.raises(RecordError, match=r"curves\.npz is damaged"):
            store.curves(record)
    with path.open("wb") as file:
        np.savez(file, train_loss=np.array([Payload()], dtype=object))
    with pytest.raises(RecordError, match=r"curves\.npz is damaged"):
        store.curves(record)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of 8x8 noise, each with six training and four test images."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 4)):
        for name in ("ant", "bee"):
            place = tmp_path / "images" / split / name
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / f"{number}.png")
    return tmp_path / "images"


def of_folder(tiny: Make, folder: Path) -> RunConfig:
    return tiny({"dataset": "image_folder", "dataset.root": str(folder), "dataset.per_class": None})


@pytest.mark.parametrize("kept", [0, 1, 20, 60, 150])
def test_a_truncated_image_is_refused_by_name_before_anything_is_written(kept: int, tiny: Make, folder: Path) -> None:
    image = folder / "train" / "bee" / "3.png"
    image.write_bytes(image.read_bytes()[:kept])
    config = of_folder(tiny, folder)
    with pytest.raises(DatasetError, match=r"bee/3\.png is not a readable image .*replace or remove it"):
        run(config)
    assert not Path(config.results_dir).exists()


def test_a_flipped_bit_in_an_image_is_refused_or_changes_the_fingerprint(tiny: Make, folder: Path) -> None:
    """An image that can still be read is a different image: the fingerprint, and so the run's identity, changes."""
    image = folder / "train" / "bee" / "3.png"
    sound = image.read_bytes()
    pixels = Image.open(image).tobytes()
    fingerprint = load_dataset("image_folder", folder).fingerprints["train"]
    rng = random.Random(2022)
    ends = {"refused": 0, "different": 0, "the same": 0}
    for _ in range(40):
        image.write_bytes(flipped(sound, rng.randrange(len(sound))))
        try:
            found = load_dataset("image_folder", folder).fingerprints["train"]
        except DatasetError as error:
            assert "3.png" in str(error)
            ends["refused"] += 1
            continue
        with Image.open(image) as opened:
            same = opened.convert("RGB").tobytes() == pixels
        assert (found == fingerprint) == same
        ends["the same" if same else "different"] += 1
    assert ends["refused"] > 0


def test_a_damaged_cache_is_rebuilt_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = load_dataset("image_folder", folder)
    (cache,) = (folder / ".scalefree_cache").iterdir()
    sound = cache.read_bytes()
    rng = random.Random(2022)
    places = [rng.randrange(len(sound)) for _ in range(30)]
    contents = [sound[:length] for length in (0, 1, 100, len(sound) // 2, len(sound) - 1)]
    contents += [flipped(sound, place) for place in places] + [pickle.dumps(Payload())]
    warnings = 0
    for content in contents:
        cache.write_bytes(content)
        caplog.clear()
        found = load_dataset("image_folder", folder)
        assert found.train.images.equal(expected.train.images) and found.train.labels.equal(expected.train.labels)
        assert found.class_names == expected.class_names and found.fingerprints == expected.fingerprints
        damaged = f"the image cache {cache}" in caplog.text
        warnings += damaged
        assert cache.read_bytes() == (sound if damaged else content)
    assert warnings > 20
