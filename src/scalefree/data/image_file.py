"""Decode one image file to pixels, or refuse it by name.

Accepted are files of a single image with at most 8 bits per channel, whatever their suffix: PNG, JPEG, BMP and WebP.

- *Grey* (one channel): images that their file declares as grey, including those with a fully opaque alpha channel, and
  palettes of greys. Everything else becomes RGB, CMYK by Pillow's formula. Colour profiles are not applied.
- *Refused*: images that would lose information (16 bits per channel, transparency, that is an alpha value below opaque
  or a colour declared transparent, several frames or pictures in one file) and files that Pillow cannot fully decode.
- *EXIF orientation* is applied, so that the network sees what a person sees.
"""

import hashlib
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError, features

from scalefree.data.dataset import DatasetError, Images

FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
# Increase this when the same file gives different pixels.
DECODING = 2


def decoders() -> str:
    """The versions that determine a file's pixels: libraries differ in the last bit of a JPEG."""
    versions = (f"{name} {features.version(name)}" for name in ("pil", "jpg", "libjpeg_turbo", "webp"))
    return " ".join([f"scalefree {DECODING}", *versions])


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading in binary, without waiting for a pipe or reading a device.

    Raises:
        OSError: the file does not exist, is not readable, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is a folder, a pipe or a device, not a file")
    return os.fdopen(descriptor, "rb")


def content(file: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        DatasetError: the file does not exist, is not a regular file, or is not readable.
    """
    try:
        with open_file(file) as stream:
            return stream.read()
    except OSError as error:
        link = "is a broken link" if file.is_symlink() and not file.exists() else "cannot be read"
        raise DatasetError(f"{file} {link} ({error.strerror or error}); replace or remove it") from None


class Decoded(NamedTuple):
    """An image's pixels (H, W, 1 or 3), and the SHA-256 of the bytes that they were decoded from."""

    pixels: Images
    digest: bytes


def decode(file: Path) -> Decoded:
    """The pixels of an image file.

    Raises:
        DatasetError: the file is not an image, or is refused (see the top of this module).
    """
    read = content(file)
    try:
        with Image.open(io.BytesIO(read), formats=FORMATS) as image:
            pixels = _pixels(image, file)
    except DatasetError:
        raise
    except Exception as error:  # Pillow raises many kinds, all with the same meaning here
        unknown = isinstance(error, UnidentifiedImageError)
        reason = f"not {', '.join(FORMATS[:-1])} or {FORMATS[-1]}" if unknown else str(error) or type(error).__name__
        raise DatasetError(f"{file} is not a readable image ({reason}); replace or remove it") from None
    return Decoded(pixels, hashlib.sha256(read).digest())


def _pixels(opened: ImageFile.ImageFile, file: Path) -> Images:
    frames = getattr(opened, "n_frames", 1)
    if frames > 1:
        raise DatasetError(f"{file} contains {frames} images; save the one you want as a separate file")
    # Pillow keeps only the upper 8 bits of such a PNG if it has colour or alpha, and otherwise clips it to white.
    if opened.format == "PNG" and any(";16" in str(tile.args) for tile in opened.tile):
        raise DatasetError(f"{file} has 16 bits per channel; convert it to 8 bits")
    if opened.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        raise DatasetError(f"{file} has pixels of mode {opened.mode}; convert it to 8-bit greyscale or RGB")
    image = ImageOps.exif_transpose(opened)
    grey = image.mode in ("1", "L", "LA")
    has_palette = image.mode == "P"
    if has_palette and np.asarray(image).max() >= len(image.getpalette() or []) // 3:
        raise DatasetError(f"{file} has pixels that are not in its palette; replace or remove it")
    if image.has_transparency_data:
        # Without a palette, one colour is declared transparent, in the file's own bit depth, which Pillow does not
        # scale.
        declared = image.mode in ("1", "L", "RGB")
        image = image.convert("RGBA")
        if declared or image.getchannel("A").getextrema() != (255, 255):
            raise DatasetError(f"{file} is partly transparent; put it on a background and remove its alpha channel")
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    if has_palette and (pixels == pixels[..., :1]).all():
        return pixels[..., :1]
    return pixels[..., None] if grey else pixels
