"""Files that only an extra can read, decoded in processes of their own: HEIC, AVIF, JPEG XL, rare TIFFs, camera raw.

Fuzzing crashed libheif, and libjxl decodes before it knows the size; a crash or a file that asks for too much ends the
process (`extras_decoder.py`, `raw_decoder.py`), not dar. Needs the extras `heif`, `jxl`, `tiff` and `raw`, which this
process never imports. Of a raw file it gives the picture that the camera put into it, or what LibRaw makes of the
sensor's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from indexer.photos.decoders import Decoders, UnknownKind
from indexer.photos.formats import is_raw_name, reads_avif, reads_heif, reads_jxl, reads_raw, reads_tiff

HEIF, AVIF, JXL, TIFF = "HEIF", "AVIF", "JXL", "TIFF"
# libavif refuses what libheif writes of a turned picture (its turn is not marked as essential), and phones and GIMP
# write by libheif.
_AVIF_BY_LIBHEIF = "AVIF/libheif"
HEADERS_ONLY = 0
"""The side to ask `open_extra` for where its image's metadata are wanted and not its pixels."""
_EXTRAS_PROGRAM = Path(__file__).with_name("extras_decoder.py")
# What the file's first box says it is.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_EITHERS_BRANDS = frozenset({b"mif1", b"msf1"})
_JXL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RAW_PROGRAM = Path(__file__).with_name("raw_decoder.py")
_PLAIN_TIFF = (b"II*\0", b"MM\0*")
# Of Panasonic, Olympus (three), Fujifilm, Sigma and Canon's first; Canon's latest is a film container.
_RAW_HEADS = (b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"FOVb", b"II\x1a\0\0\0HEAPCCDR")
_CANON_CR3 = b"ftypcrx "
# LibRaw's way to say how a camera was held, as EXIF's: upright, upside down, turned left, turned right.
_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}


@dataclass(frozen=True)
class Extra:
    """A decoded file. `kind`: one of those above. `image`: small, with XMP and EXIF, which has how to turn it.
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
            reply, data = decoders.decode(_EXTRAS_PROGRAM, [kind, str(side), str(most_pixels)], file)
        except UnknownKind:
            continue
        exif, xmp = int(reply["exif"]), int(reply["xmp"])
        pixels = data[exif + xmp :]
        image = Image.frombytes(str(reply["mode"]), (int(reply["columns"]), int(reply["rows"])), pixels)
        if exif:
            image.info["exif"] = data[:exif]
        if xmp:
            image.info["xmp"] = data[exif : exif + xmp]
        return Extra(kind.partition("/")[0], image, int(reply["width"]), int(reply["height"]))
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


@dataclass(frozen=True, eq=False)
class Raw:
    """A raw file, still open.

    `width`, `height`: of the whole photo, upright, pixels. `orientation`: as EXIF has it. `sensor_pixels`: what has to
    be held to develop it. `preview`: the largest picture in the file if it is a JPEG, its EXIF stating how to turn it
    (one without gets it from LibRaw, with the raw file's date and camera); b"" if there is none.
    """

    file: BinaryIO
    decoders: Decoders
    width: int
    height: int
    orientation: int
    sensor_pixels: int
    preview: bytes

    def developed(self) -> Image.Image:
        """The photo from the sensor's values: upright RGB, half as wide and high. Raises UnreadablePhoto."""
        reply, pixels = self.decoders.decode(_RAW_PROGRAM, ["develop"], self.file)
        return Image.frombytes("RGB", (int(reply["columns"]), int(reply["rows"])), pixels)

    def getexif(self) -> Image.Exif:
        """The file's own EXIF; empty where it is not laid out as a TIFF. Raises what Pillow's reader raises."""
        exif = Image.Exif()  # type: ignore[no-untyped-call]
        self.file.seek(0)
        if self.file.read(4) in _PLAIN_TIFF:
            self.file.seek(0)
            exif.load_from_fp(self.file)  # type: ignore[no-untyped-call]
        return exif


def is_raw(file: BinaryIO, path: bytes) -> bool:
    """Whether LibRaw should look at the file. Leaves the file at its beginning.

    Its first bytes decide; only where they are those of any TIFF does the name.
    """
    head = file.read(16)
    file.seek(0)
    tiff = head.startswith(_PLAIN_TIFF) and is_raw_name(path)
    return reads_raw() and (tiff or head.startswith(_RAW_HEADS) or head[4:].startswith(_CANON_CR3))


def open_raw(file: BinaryIO, decoders: Decoders) -> Raw | None:
    """The file as a raw file; None, and the file at its beginning, if LibRaw does
    not know it: a plain TIFF under another name, or one whose small preview Pillow can read. Raises UnreadablePhoto."""
    try:
        reply, preview = decoders.decode(_RAW_PROGRAM, ["preview"], file)
    except UnknownKind:
        return None
    width, height, orientation = int(reply["width"]), int(reply["height"]), _ORIENTATION.get(reply["flip"], 1)
    if orientation in (6, 8):
        width, height = height, width
    return Raw(file, decoders, width, height, orientation, int(reply["pixels"]), preview)
