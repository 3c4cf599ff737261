"""Files that only an extra can read (HEIC, AVIF, JPEG XL, rare TIFFs), decoded in processes of their own.

Fuzzing crashed libheif, and libjxl decodes before it tells the size; a crash or a file that asks for too much ends the
process (`extras_decoder.py`), not dar. Needs the extras `heif`, `jxl` and `tiff`, which this process never imports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from indexer.photos.decoders import Decoders, UnknownKind
from indexer.photos.formats import reads_avif, reads_heif, reads_jxl, reads_tiff

HEIF, AVIF, JXL, TIFF = "HEIF", "AVIF", "JXL", "TIFF"
# libavif refuses what libheif writes of a turned picture (its turn is not marked as essential), and phones and GIMP
# write by libheif.
_AVIF_BY_LIBHEIF = "AVIF/libheif"
HEADERS_ONLY = 0
"""The side to ask `open_extra` for where its image's metadata are wanted and not its pixels."""
_PROGRAM = Path(__file__).with_name("extras_decoder.py")
# What the file's first box says it is.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_EITHERS_BRANDS = frozenset({b"mif1", b"msf1"})
_JXL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Extra:
    """A decoded file. `kind`: one of those above. `image`: small, with XMP and EXIF, which tells how to turn it.
    `width`, `height`: of the whole photo, before that."""

    kind: str
    image: Image.Image
    width: int
    height: int


def open_extra(file: BinaryIO, kinds: Sequence[str], side: int, most_pixels: int, decoders: Decoders) -> Extra | None:
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
        return Extra(kind.partition("/")[0], image, int(told["width"]), int(told["height"]))
    return None


def kinds_of(file: BinaryIO) -> tuple[str, ...]:
    """What the file may be, of what only extras decode and can be decoded here. Leaves the file at its beginning."""
    head = file.read(16)
    file.seek(0)
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    heif = reads_heif() and brand in _HEIC_BRANDS | _EITHERS_BRANDS
    avif = reads_avif() and brand in _AVIF_BRANDS | _EITHERS_BRANDS
    jxl = reads_jxl() and head.startswith(_JXL)
    again = reads_heif() and brand in _AVIF_BRANDS
    return tuple(kind for kind, fits in ((HEIF, heif), (AVIF, avif), (_AVIF_BY_LIBHEIF, again), (JXL, jxl)) if fits)


def is_rare_tiff(file: BinaryIO) -> bool:
    """Whether a file that Pillow does not know is a TIFF that an extra may. Leaves the file at its beginning."""
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    return head in _TIFF and reads_tiff()
