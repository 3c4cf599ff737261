"""libheif, libavif, libjxl or tifffile on one file: a program of its own, since decoders crash on some damaged files,
take memory without asking, and print.

    python -P extras_decoder.py

asked as `decoders.py` says, with "HEIF", "AVIF", "JXL" or "TIFF", SIDE and MOST. Answers with the EXIF, the XMP,
then the pixels, about SIDE on the shorter side; for a SIDE of 0 the pixels are one, and HEIF and AVIF are not decoded.
A file of more than MOST pixels is not decoded (libjxl knows its size only afterwards). Knows
the plugins and dar's way to bring pixels to eight bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image

from indexer.photos.decoders import Reply, serve

if TYPE_CHECKING:
    from tifffile import TiffPage

# EXIF as TIFF keeps it in its first directory: make, model, orientation, time of change, photographer's details.
_MAKE, _MODEL, _ORIENTATION, _CHANGED, _DETAILS = 271, 272, 274, 306, 34665
_TAKEN, _DIGITIZED = 36867, 36868


class _TooManyPixels(Exception):
    pass


def answer(arguments: Sequence[str], file: BinaryIO) -> tuple[Reply, bytes]:
    """What the program replies: the line, as a dict, and the bytes.

    The dict has "error" ("unknown", "large", "damaged") and "text" where the file is refused. Else "width" and
    "height" of the photo, "mode", "columns" and "rows" of the pixels, and "exif" and "xmp", the lengths of those; the
    EXIF says how both are still to be turned.
    """
    kind, side, most = arguments[0], int(arguments[1]), int(arguments[2])
    try:
        image = _opened(kind, file, most)
    except _TooManyPixels as error:
        return {"error": "large", "text": str(error)}, b""
    except (SyntaxError, EOFError):
        return {"error": "unknown", "text": ""}, b""
    except Exception as error:  # plugins meet malformed files with nearly any exception
        return {"error": "damaged", "text": _words(error)}, b""
    width, height = image.size
    if width * height > most:
        return {"error": "large", "text": f"{width}x{height}"}, b""
    try:
        if side:
            image.load()
    except Exception as error:
        return {"error": "damaged", "text": _words(error)}, b""
    exif, xmp = image.info.get("exif") or b"", image.info.get("xmp") or b""
    if not side:
        image = Image.new("L", (1, 1))
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        from indexer.photos.pixels import to_rgb

        image = to_rgb(image, max(image.size))
    # The pipe should not carry forty times what is needed.
    factor = min(image.size) // (2 * side) if side else 1
    small = image.reduce(factor) if factor > 1 else image
    reply: Reply = {"width": width, "height": height, "mode": small.mode, "columns": small.width, "rows": small.height}
    return {**reply, "exif": len(exif), "xmp": len(xmp)}, exif + xmp + small.tobytes()


def _opened(kind: str, file: BinaryIO, most: int) -> Image.Image:
    image: Image.Image
    if kind == "AVIF":
        from pillow_avif.AvifImagePlugin import AvifImageFile

        image = AvifImageFile(file, "")
    elif kind == "JXL":
        from pillow_jxl import JpegXLImagePlugin as jxl

        # dar has as many of these processes as it has reading threads.
        jxl.DECODE_THREADS = 1
        image = jxl.JXLImageFile(file, "")  # type: ignore[no-untyped-call]
    elif kind == "TIFF":
        image = _tiff(file, most)
    else:
        from pillow_heif import HeifImageFile

        image = HeifImageFile(file, "")
    return image


def _tiff(file: BinaryIO, most: int) -> Image.Image:
    """The first picture of a TIFF that Pillow does not open: big-endian BigTIFF, floating point or 32 bits a sample."""
    import numpy as np
    from tifffile import PHOTOMETRIC, TiffFile, TiffFileError, TiffPage

    from indexer.photos.pixels import to_bytes

    try:
        with TiffFile(file) as tiff:
            page = tiff.pages.first
            if not isinstance(page, TiffPage):
                raise SyntaxError("no whole page")
            if page.imagewidth * page.imagelength > most:
                raise _TooManyPixels(f"{page.imagewidth}x{page.imagelength}")
            if page.photometric not in (PHOTOMETRIC.RGB, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE):
                raise ValueError("its colours are of a kind that cannot be read")
            if page.imagedepth != 1 or page.samplesperpixel > 8:
                raise ValueError("it holds more than one picture's colours")
            pixels = page.asarray()
            exif = _exif_of(page)
    except TiffFileError as error:
        raise SyntaxError(str(error)) from None
    if page.axes.startswith("S"):
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels.reshape(page.imagelength, page.imagewidth, -1)
    colours = 3 if page.photometric == PHOTOMETRIC.RGB else 1
    if pixels.shape[2] < colours:
        raise ValueError("its colours are of a kind that cannot be read")
    # Opacity beside colours in floating point is rare, and what it means differs: left aside.
    pixels = pixels[:, :, :colours]
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        pixels = to_bytes(pixels.astype(np.float32))
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        pixels = 255 - pixels
    image = Image.fromarray(np.ascontiguousarray(pixels if colours == 3 else pixels[:, :, 0]))
    image.info["exif"] = exif
    return image


def _exif_of(page: TiffPage) -> bytes:
    exif = Image.Exif()  # type: ignore[no-untyped-call]
    for number in (_MAKE, _MODEL, _ORIENTATION, _CHANGED):
        tag: Any = page.tags.get(number)
        if tag is not None and isinstance(tag.value, str | int):
            exif[number] = int(tag.value) if number == _ORIENTATION else str(tag.value)
    details: Any = page.tags.get(_DETAILS)
    reply = details.value if details is not None and isinstance(details.value, dict) else {}
    named = {_TAKEN: reply.get("DateTimeOriginal"), _DIGITIZED: reply.get("DateTimeDigitized")}
    dates = {number: text for number, text in named.items() if isinstance(text, str)}
    if dates:
        exif[_DETAILS] = dates
    return exif.tobytes()


def _words(error: Exception) -> str:
    """What the decoder says of its files, if it is more than Python's own words."""
    if "build `libjxl`" in str(error):  # a hint for its developers
        return ""
    return str(error) if isinstance(error, OSError | RuntimeError | ValueError) else ""


if __name__ == "__main__":
    serve(answer)
