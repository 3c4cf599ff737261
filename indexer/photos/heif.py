"""HEIC files, decoded by libheif in a process of its own (`libheif.py`): `python -m benchmarks.fuzz heif` crashed it.

Needs pillow-heif, the extra `heif`, which this process never imports.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from indexer.photos.apart import UnknownKind, decode_apart
from indexer.photos.formats import reads_heif

_PROGRAM = Path(__file__).with_name("libheif.py")
# What the file's first box says it is; the last two are of any such container, AVIF's too.
_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})


@dataclass(frozen=True)
class Heif:
    """A decoded file. `image`: small, upright, its EXIF with it. `width`, `height`: of the whole photo, upright."""

    image: Image.Image
    width: int
    height: int


def is_heif(file: BinaryIO) -> bool:
    """Whether libheif should look at the file. Leaves the file at its beginning."""
    head = file.read(16)
    file.seek(0)
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS and reads_heif()


def open_heif(file: BinaryIO, side: int, most_pixels: int) -> Heif | None:
    """Decodes to about `side` pixels on the shorter side; None where libheif does not know the file.

    Raises UnreadablePhoto, for more than `most_pixels` too.
    """
    try:
        told, data = decode_apart(_PROGRAM, [str(side), str(most_pixels)], file)
    except UnknownKind:
        return None
    exif = int(told["exif"])
    image = Image.frombytes(str(told["mode"]), (int(told["columns"]), int(told["rows"])), data[exif:])
    if exif:
        image.info["exif"] = data[:exif]
    return Heif(image, int(told["width"]), int(told["height"]))
