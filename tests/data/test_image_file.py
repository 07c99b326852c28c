"""Single image files: which kinds are read, and which are refused by name."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scalefree.data import DatasetError
from scalefree.data.image_file import decode

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (9, 8), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (9, 8, 3), dtype=np.uint8)
OPAQUE = np.full((9, 8, 1), 255, np.uint8)
HOLED = np.where(np.arange(72).reshape(9, 8, 1) == 40, 254, 255).astype(np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def array(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    return saved(Image.fromarray(pixels), kind, **options)


def png(bits: int, colour_type: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """An 8x8 PNG, built chunk by chunk since Pillow cannot write every kind."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, colour_type, 0, 0, 0))
    image = chunk(b"IDAT", zlib.compress((b"\0" + row) * 8))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*c) for c in chunks) + image + chunk(b"IEND", b"")


def with_palette(colours: list[int], transparency: bytes | None = None) -> bytes:
    image = Image.fromarray(GREY // 64, "P")
    image.putpalette(colours)
    return saved(image) if transparency is None else saved(image, transparency=transparency)


GREYS, COLOURS = [0, 0, 0, 90, 90, 90, 160, 160, 160, 255, 255, 255], [0, 0, 0, 80, 80, 80, 160, 160, 160, 255, 0, 255]
BITS = np.unpackbits(np.full((8, 1), 0b00011011, np.uint8), axis=1)
CMYK = Image.fromarray(COLOUR).convert("CMYK")

READ: dict[str, tuple[bytes, np.ndarray]] = {
    "grey": (array(GREY), GREY[..., None]),
    "one-bit grey": (saved(Image.fromarray(BITS * 255).convert("1")), BITS[..., None] * 255),
    "two-bit grey": (png(2, 0, b"\x1b\x1b"), np.tile(np.array([0, 85, 170, 255] * 2, np.uint8), (8, 1))[..., None]),
    "grey bitmap": (array(GREY, "BMP"), GREY[..., None]),
    "opaque grey": (array(np.concatenate([GREY[..., None], OPAQUE], 2)), GREY[..., None]),
    "palette of greys": (with_palette(GREYS), np.array(GREYS[::3], np.uint8)[GREY // 64][..., None]),
    "palette": (with_palette(COLOURS), np.array(COLOURS, np.uint8).reshape(4, 3)[GREY // 64]),
    "opaque palette": (
        with_palette(COLOURS, b"\xff\xff\xff\xff"),
        np.array(COLOURS, np.uint8).reshape(4, 3)[GREY // 64],
    ),
    "colour": (array(COLOUR), COLOUR),
    "greys stored as colour": (array(np.repeat(GREY[..., None], 3, 2)), np.repeat(GREY[..., None], 3, 2)),
    "opaque colour": (array(np.concatenate([COLOUR, OPAQUE], 2)), COLOUR),
    "colour bitmap": (array(COLOUR, "BMP"), COLOUR),
    "webp": (array(COLOUR, "WEBP", lossless=True), COLOUR),
    "opaque webp": (array(np.concatenate([COLOUR, OPAQUE], 2), "WEBP", lossless=True), COLOUR),
}


@pytest.mark.parametrize("kind", READ)
def test_reads_every_pixel(kind: str, tmp_path: Path) -> None:
    content, expected = READ[kind]
    file = tmp_path / "0.png"
    file.write_bytes(content)
    pixels = decode(file).pixels
    assert pixels.dtype == np.uint8 and pixels.shape == expected.shape
    np.testing.assert_array_equal(pixels, expected)


def test_cmyk_is_read_as_colour(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(saved(CMYK, "JPEG", quality=100, subsampling=0))
    assert np.abs(decode(tmp_path / "0.jpg").pixels.astype(int) - COLOUR).max() <= 4


def frames(kind: str, **options: Any) -> bytes:
    images = [Image.fromarray(255 - COLOUR if second else COLOUR) for second in (False, True)]
    return saved(images[0], kind, save_all=True, append_images=images[1:], **options)


KEY = (b"tRNS", struct.pack(">H", 3))
REFUSED: dict[str, tuple[bytes, str]] = {
    "16 bits": (array((GREY.astype(np.uint16) << 8) + 7), "has 16 bits per channel"),
    "12 bits": (array(GREY.astype(np.uint16) << 4), "has 16 bits per channel"),
    "16-bit colour": (png(16, 2, bytes(range(48))), "has 16 bits per channel"),
    "16-bit grey with alpha": (png(16, 4, b"\x12\x34\xff\xff" * 8), "has 16 bits per channel"),
    "16-bit colour with alpha": (png(16, 6, b"\x12\x34\x56\x78\x9a\xbc\xff\xff" * 8), "has 16 bits per channel"),
    "grey with alpha": (array(np.concatenate([GREY[..., None], HOLED], 2)), "is partly transparent"),
    "colour with alpha": (array(np.concatenate([COLOUR, HOLED], 2)), "is partly transparent"),
    "webp with alpha": (array(np.concatenate([COLOUR, HOLED], 2), "WEBP", lossless=True), "is partly transparent"),
    "palette with alpha": (with_palette(COLOURS, b"\xff\xff\xff\x00"), "is partly transparent"),
    "palette with a transparent entry": (with_palette(GREYS, b"\xff\x00"), "is partly transparent"),
    "a transparent grey": (png(8, 0, bytes(range(8)), KEY), "is partly transparent"),
    "a transparent two-bit grey": (png(2, 0, b"\x1b\x1b", KEY), "is partly transparent"),
    "a transparent one-bit grey": (png(1, 0, b"\x1b", (b"tRNS", b"\0\1")), "is partly transparent"),
    "a transparent colour": (
        png(8, 2, bytes(range(24)), (b"tRNS", bytes([0, 0, 0, 1, 0, 2]))),
        "is partly transparent",
    ),
    "animated png": (frames("PNG"), "contains 2 images"),
    "animated webp": (frames("WEBP", lossless=True), "contains 2 images"),
    "several pictures": (frames("MPO"), "contains 2 images"),
    "gif": (array(GREY, "GIF"), r"is not a readable image \(not PNG, JPEG, BMP or WEBP\)"),
    "float": (array(GREY.astype(np.float32), "TIFF"), "is not a readable image"),
    "text": (b"<html>404</html>", "is not a readable image"),
    "empty": (b"", "is not a readable image"),
    "truncated": (array(COLOUR)[:-40], r"is not a readable image \("),
    "truncated jpeg": (array(COLOUR, "JPEG")[:-40], r"is not a readable image \("),
    "no palette": (png(8, 3, bytes(8)), "has pixels that are not in its palette"),
    "short palette": (png(8, 3, bytes(range(8)), (b"PLTE", bytes(21))), "has pixels that are not in its palette"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refuses_by_name(kind: str, tmp_path: Path) -> None:
    content, message = REFUSED[kind]
    file = tmp_path / "0.png"
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=f"^{file} {message}") as caught:
        decode(file)
    assert "\n" not in str(caught.value) and "object at 0x" not in str(caught.value)


# How a viewer transforms the stored pixels for each EXIF orientation.
AS_SEEN: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", AS_SEEN)
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_images_are_rotated_as_viewers_show_them(orientation: int, pixels: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "WEBP", "JPEG"):
        content = array(pixels, kind, exif=exif, **({} if kind == "PNG" else {"quality": 100, "lossless": True}))
        file = tmp_path / f"0.{kind.lower()}"
        file.write_bytes(content)
        with Image.open(io.BytesIO(content)) as image:
            stored = np.asarray(image)
        found = decode(file).pixels
        np.testing.assert_array_equal(found, AS_SEEN[orientation](stored.reshape(9, 8, -1)))
