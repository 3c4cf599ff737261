"""Camera raw files: the picture the camera put into one, or what LibRaw makes of the sensor's values.

Knows nothing of thumbnails or encoders. Needs rawpy, the extra `raw`, which this process never imports: LibRaw runs in
one of its own (`raw_decoder.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from indexer.photos.decoders import Decoders, UnknownKind
from indexer.photos.formats import is_raw_name, reads_raw

_PROGRAM = Path(__file__).with_name("raw_decoder.py")
_TIFF = (b"II*\0", b"MM\0*")
# Of Panasonic, Olympus (three), Fujifilm, Sigma and Canon's first; Canon's latest is a film container.
_OTHERS = (b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"FOVb", b"II\x1a\0\0\0HEAPCCDR")
_CANON_CR3 = b"ftypcrx "
# LibRaw's way to say how a camera was held, as EXIF's: upright, upside down, turned left, turned right.
_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}


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
        told, pixels = self.decoders.decode(_PROGRAM, ["develop"], self.file)
        return Image.frombytes("RGB", (int(told["columns"]), int(told["rows"])), pixels)

    def getexif(self) -> Image.Exif:
        """The file's own EXIF; empty where it is not laid out as a TIFF. Raises what Pillow's reader raises."""
        exif = Image.Exif()  # type: ignore[no-untyped-call]
        self.file.seek(0)
        if self.file.read(4) in _TIFF:
            self.file.seek(0)
            exif.load_from_fp(self.file)  # type: ignore[no-untyped-call]
        return exif


def is_raw(file: BinaryIO, path: bytes) -> bool:
    """Whether LibRaw should look at the file. Leaves the file at its beginning.

    Its first bytes decide; only where they are those of any TIFF does the name.
    """
    head = file.read(16)
    file.seek(0)
    tiff = head.startswith(_TIFF) and is_raw_name(path)
    return reads_raw() and (tiff or head.startswith(_OTHERS) or head[4:].startswith(_CANON_CR3))


def open_raw(file: BinaryIO, decoders: Decoders) -> Raw | None:
    """The file as a raw file; None, and the file at its beginning, if LibRaw does
    not know it: a plain TIFF under another name, or one whose small preview Pillow can read. Raises UnreadablePhoto."""
    try:
        told, preview = decoders.decode(_PROGRAM, ["preview"], file)
    except UnknownKind:
        return None
    width, height, orientation = int(told["width"]), int(told["height"]), _ORIENTATION.get(told["flip"], 1)
    if orientation in (6, 8):
        width, height = height, width
    return Raw(file, decoders, width, height, orientation, int(told["pixels"]), preview)
