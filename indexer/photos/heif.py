"""HEIC and AVIF files, decoded in processes of their own (`heif_decoder.py`): fuzzing crashed libheif.

Needs pillow-heif and pillow-avif-plugin, the extra `heif`, which this process never imports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from indexer.photos.decoders import Decoders, UnknownKind
from indexer.photos.formats import reads_avif, reads_heif

HEIF, AVIF = "HEIF", "AVIF"
HEADERS_ONLY = 0
"""The side to ask `open_heif` for where its image's metadata are wanted and not its pixels."""
_PROGRAM = Path(__file__).with_name("heif_decoder.py")
# What the file's first box says it is.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_EITHERS_BRANDS = frozenset({b"mif1", b"msf1"})


@dataclass(frozen=True)
class Heif:
    """A decoded file. `kind`: HEIF or AVIF. `image`: small, with its EXIF, which tells how to turn it, and its XMP.
    `width`, `height`: of the whole photo, before that."""

    kind: str
    image: Image.Image
    width: int
    height: int


def open_heif(file: BinaryIO, kinds: Sequence[str], side: int, most_pixels: int, decoders: Decoders) -> Heif | None:
    """Decodes one of `kinds` to about `side` pixels on the shorter side; None where no decoder knows the file.

    Raises UnreadablePhoto, for more than `most_pixels` too. Leaves the file at its beginning.
    """
    for kind in kinds:
        try:
            told, data = decoders.decode(_PROGRAM, [kind, str(side), str(most_pixels)], file)
        except UnknownKind:
            continue
        exif, xmp = int(told["exif"]), int(told["xmp"])
        pixels = data[exif + xmp :]
        image = Image.frombytes(str(told["mode"]), (int(told["columns"]), int(told["rows"])), pixels)
        if exif:
            image.info["exif"] = data[:exif]
        if xmp:
            image.info["xmp"] = data[exif : exif + xmp]
        return Heif(kind, image, int(told["width"]), int(told["height"]))
    return None


def kinds_of(file: BinaryIO) -> tuple[str, ...]:
    """What the file may be, of what can be decoded here. Leaves the file at its beginning."""
    head = file.read(16)
    file.seek(0)
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    heif = reads_heif() and brand in _HEIC_BRANDS | _EITHERS_BRANDS
    avif = reads_avif() and brand in _AVIF_BRANDS | _EITHERS_BRANDS
    return (*((HEIF,) if heif else ()), *((AVIF,) if avif else ()))
