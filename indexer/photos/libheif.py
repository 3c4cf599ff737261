"""libheif on one HEIC file: a program of its own, since its decoder crashes on some damaged files, and prints.

    python -P libheif.py SIDE MOST < FILE

Answers with a line of JSON, then the EXIF, then the pixels, upright and about SIDE on the shorter side. A file of more
than MOST pixels is not decoded. Knows pillow-heif and nothing of dar.
"""

from __future__ import annotations

import json
import sys
from typing import BinaryIO

from PIL import Image


def answer(file: BinaryIO, side: int, most: int) -> tuple[dict[str, object], bytes]:
    """What the program writes: the line, as a dict, and the bytes.

    The dict has "error" ("unknown", "large", "damaged") and "text" where the file is refused. Else "width" and
    "height" of the photo, "mode", "columns" and "rows" of the pixels, and "exif", the length of the EXIF.
    """
    from pillow_heif import HeifImageFile

    try:
        image: Image.Image = HeifImageFile(file, "")
    except (SyntaxError, EOFError):
        return {"error": "unknown", "text": ""}, b""
    except Exception as error:  # it meets malformed files with nearly any exception
        return {"error": "damaged", "text": _words(error)}, b""
    width, height = image.size
    if width * height > most:
        return {"error": "large", "text": f"{width}x{height}"}, b""
    try:
        image.load()
    except Exception as error:
        return {"error": "damaged", "text": _words(error)}, b""
    exif = image.info.get("exif") or b""
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGB")
    # The pipe should not carry forty times what is needed.
    factor = min(image.size) // (2 * side)
    small = image.reduce(factor) if factor > 1 else image
    told = {"width": width, "height": height, "mode": small.mode, "columns": small.width, "rows": small.height}
    return {**told, "exif": len(exif)}, exif + small.tobytes()


def _words(error: Exception) -> str:
    """What libheif says of its files, if it is more than Python's own words."""
    return str(error) if isinstance(error, OSError | RuntimeError | ValueError) else ""


def main() -> None:
    """The program."""
    sys.stdin.buffer.seek(0)
    told, data = answer(sys.stdin.buffer, int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
