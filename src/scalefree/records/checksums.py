"""Checksums of a record's content, independent of how its files are written, packed or merged.

document = json.load(open("record.json")); told = document.pop("checksum")
told == sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from scalefree.records.reading import Arrays


def document_checksum(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a document without its own `checksum`.

    Raises:
        ValueError: it is nested too deep.
    """
    rest = {key: value for key, value in document.items() if key != "checksum"}
    try:
        canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return hashlib.sha256(canonical.encode()).hexdigest()


def arrays_checksum(arrays: Arrays) -> str:
    """SHA-256 of names, types, shapes and values, sorted by name; values row by row in little-endian byte order."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{name}\n{array.dtype.kind}{array.dtype.itemsize}{list(array.shape)}\n".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()


def sealed(document: Mapping[str, Any], curves: Arrays, histograms: Arrays) -> dict[str, Any]:
    """The document with its own checksum and those of its arrays."""
    checksums = {"curves": arrays_checksum(curves), "histograms": arrays_checksum(histograms)}
    found = {**document, "array_checksums": checksums}
    return {**found, "checksum": document_checksum(found)}


def as_text(document: Mapping[str, Any]) -> bytes:
    """The document as written to record.json.

    Raises:
        ValueError: a number that is not finite.
    """
    return json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"
