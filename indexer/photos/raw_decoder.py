"""LibRaw on one camera raw file: a program of its own, since a parser of hostile files in C++ may crash, and prints.

    python -P raw_decoder.py

asked as `decoders.py` says, with "preview" or "develop". Answers with the preview's bytes or the developed
pixels. Knows rawpy and nothing of dar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import rawpy

from indexer.photos.decoders import Reply, serve

PREVIEW, DEVELOP = "preview", "develop"
UNKNOWN, SHORT, LARGE, DAMAGED = "unknown", "short", "large", "damaged"
"""Why there is no answer: LibRaw does not know the file, it ends early, is too large, or is damaged otherwise."""


def answer(arguments: Sequence[str], file: BinaryIO) -> tuple[Reply, bytes]:
    """What the program replies: the line, as a dict, and the bytes.

    The dict has "error" (one of the words above) and "text" where LibRaw refused. Else "width" and "height" as the
    sensor has them, "pixels" (of the whole sensor) and "flip" (0, 3, 5 or 6); after `develop`, "columns" and "rows"
    of the upright RGB bytes, which are half the photo's. No bytes after `preview`: there is no JPEG.
    """
    try:
        with rawpy.RawPy() as raw:
            raw.open_buffer(file)
            sizes = raw.sizes
            reply: Reply = {
                "width": sizes.width,
                "height": sizes.height,
                "pixels": sizes.raw_width * sizes.raw_height,
                "flip": sizes.flip,
            }
            if arguments[0] == PREVIEW:
                return reply, _preview(raw)
            # Half as wide and high: one pixel from each 2 x 2 of the sensor's, which spares most of the work.
            pixels = raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
            rows, columns, channels = pixels.shape
            if channels == 1:  # of a monochrome sensor
                pixels = pixels.repeat(3, axis=2)
            return {**reply, "columns": columns, "rows": rows}, pixels.tobytes()
    except rawpy.LibRawFileUnsupportedError:
        return {"error": UNKNOWN, "text": ""}, b""
    except rawpy.LibRawIOError:
        return {"error": SHORT, "text": ""}, b""
    except (rawpy.LibRawTooBigError, rawpy.LibRawMemPoolOverflowError, rawpy.LibRawUnsufficientMemoryError):
        return {"error": LARGE, "text": ""}, b""
    except (rawpy.LibRawError, rawpy.NotSupportedError, OSError, ValueError) as error:
        words = error.args[0] if error.args else ""
        return {
            "error": DAMAGED,
            "text": words.decode(errors="replace") if isinstance(words, bytes) else str(words),
        }, b""


def _preview(raw: rawpy.RawPy) -> bytes:
    try:
        data = raw.extract_thumb().data
    except (rawpy.LibRawError, NotImplementedError, OSError):
        return b""
    return data if isinstance(data, bytes) else b""


if __name__ == "__main__":
    serve(answer)
