"""Camera raw files: the picture the camera put into one, or what LibRaw makes of the sensor's values.

Knows nothing of thumbnails or encoders. Needs rawpy, the extra `raw`, which is imported for the first raw file only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from indexer.errors import UnreadablePhoto
from indexer.photos.formats import is_raw_name, reads_raw
from indexer.printable import stripped

if TYPE_CHECKING:
    import rawpy

_TIFF = (b"II*\0", b"MM\0*")
# Of Panasonic, Olympus (three), Fujifilm, Sigma and Canon's first; Canon's latest is a film container.
_OTHERS = (b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"FOVb", b"II\x1a\0\0\0HEAPCCDR")
_CANON_CR3 = b"ftypcrx "
# LibRaw's way to say how a camera was held, as EXIF's: upright, upside down, turned left, turned right.
_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}


class Raw:
    """An opened raw file. `width`, `height`: of the whole photo, upright, pixels. `orientation`: as EXIF has it."""

    def __init__(self, file: BinaryIO, opened: rawpy.RawPy) -> None:
        sizes = opened.sizes
        self.orientation = _ORIENTATION.get(sizes.flip, 1)
        lies = self.orientation in (6, 8)
        self.width, self.height = (sizes.height, sizes.width) if lies else (sizes.width, sizes.height)
        self.sensor_pixels = sizes.raw_width * sizes.raw_height
        self._file = file
        self._opened = opened

    def preview(self) -> bytes | None:
        """The largest picture in the file if it is a JPEG, its EXIF stating how to turn it; None if there is none.

        A JPEG without EXIF gets one from LibRaw, with the raw file's orientation, date, and camera.
        """
        import rawpy

        try:
            found = self._opened.extract_thumb()
        except (rawpy.LibRawError, NotImplementedError, OSError):
            return None
        return found.data if isinstance(found.data, bytes) else None

    def developed(self) -> Image.Image:
        """The photo from the sensor's values: upright RGB, half as wide and high, which spares most of the work."""
        with _errors_named():
            pixels = self._opened.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
        return Image.fromarray(pixels).convert("RGB")

    def getexif(self) -> Image.Exif:
        """The file's own EXIF; empty where it is not laid out as a TIFF. Raises what Pillow's reader raises."""
        exif = Image.Exif()  # type: ignore[no-untyped-call]
        self._file.seek(0)
        if self._file.read(4) in _TIFF:
            self._file.seek(0)
            exif.load_from_fp(self._file)  # type: ignore[no-untyped-call]
        return exif


def is_raw(file: BinaryIO, path: bytes) -> bool:
    """Whether LibRaw should look at the file. Leaves the file at its beginning.

    Its first bytes decide; only where they are those of any TIFF does the name.
    """
    head = file.read(16)
    file.seek(0)
    tiff = head.startswith(_TIFF) and is_raw_name(path)
    return reads_raw() and (tiff or head.startswith(_OTHERS) or head[4:].startswith(_CANON_CR3))


@contextmanager
def opened_raw(file: BinaryIO) -> Iterator[Raw | None]:
    """The file as a raw file, all of it read into memory; None, and the file at its beginning, if LibRaw does not
    know it."""
    import rawpy

    with rawpy.RawPy() as opened:
        try:
            with _errors_named():
                opened.open_buffer(file)
        except _Unknown:
            file.seek(0)  # a plain TIFF under another name, or one whose small preview Pillow can read
            yield None
            return
        yield Raw(file, opened)


class _Unknown(UnreadablePhoto):
    """LibRaw does not know this kind of file."""


@contextmanager
def _errors_named() -> Iterator[None]:
    import rawpy

    try:
        yield
    except rawpy.LibRawFileUnsupportedError:
        raise _Unknown("is from a camera that LibRaw does not know") from None
    except rawpy.LibRawIOError:
        raise UnreadablePhoto("ends early (truncated)") from None
    except rawpy.LibRawUnsufficientMemoryError:
        raise MemoryError from None
    except (rawpy.LibRawTooBigError, rawpy.LibRawMemPoolOverflowError):
        raise UnreadablePhoto("is too large to open safely") from None
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        [words] = error.args or ("",)
        text = stripped(os.fsdecode(words) if isinstance(words, bytes) else str(words), limit=100)
        raise UnreadablePhoto(f"is damaged: {text}" if text else "is damaged") from None
