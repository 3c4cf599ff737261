"""libheif or libavif on one file: a program of its own, since decoders crash on some damaged files, and print.

    python -P heif_decoder.py

asked as `decoder_process.py` says, with "HEIF" or "AVIF", SIDE and MOST. Answers with the EXIF, the XMP, then the
pixels, about SIDE on the shorter side; for a SIDE of 0 nothing is decoded, and the pixels are one. A file of more than
MOST pixels is refused. Knows the two plugins of Pillow and nothing of dar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from PIL import Image

from indexer.photos.decoder_process import Told, serve


def answer(arguments: Sequence[str], file: BinaryIO) -> tuple[Told, bytes]:
    """What the program replies: the line, as a dict, and the bytes.

    The dict has "error" ("unknown", "large", "damaged") and "text" where the file is refused. Else "width" and
    "height" of the photo, "mode", "columns" and "rows" of the pixels, and "exif" and "xmp", the lengths of those; the
    EXIF says how both are still to be turned.
    """
    kind, side, most = arguments[0], int(arguments[1]), int(arguments[2])
    try:
        image = _opened(kind, file)
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
        image = image.convert("RGB")
    # The pipe should not carry forty times what is needed.
    factor = min(image.size) // (2 * side) if side else 1
    small = image.reduce(factor) if factor > 1 else image
    told: Told = {"width": width, "height": height, "mode": small.mode, "columns": small.width, "rows": small.height}
    return {**told, "exif": len(exif), "xmp": len(xmp)}, exif + xmp + small.tobytes()


def _opened(kind: str, file: BinaryIO) -> Image.Image:
    image: Image.Image
    if kind == "AVIF":
        from pillow_avif.AvifImagePlugin import AvifImageFile

        image = AvifImageFile(file, "")
    else:
        from pillow_heif import HeifImageFile

        image = HeifImageFile(file, "")
    return image


def _words(error: Exception) -> str:
    """What the decoder says of its files, if it is more than Python's own words."""
    return str(error) if isinstance(error, OSError | RuntimeError | ValueError) else ""


if __name__ == "__main__":
    serve(answer)
