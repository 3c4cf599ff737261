"""Camera raw files without a camera: DNG, a TIFF with the sensor's values and, if asked for, an embedded preview.

Laid out after the DNG specification 1.4: with a preview, that is the first directory and the sensor's is below it.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

# TIFF's types: code, struct letter.
BYTE, ASCII, SHORT, LONG, RATIONAL, SIGNED_RATIONAL = (1, "B"), (2, "c"), (3, "H"), (4, "I"), (5, "II"), (10, "ii")
Field = tuple[tuple[int, str], tuple[object, ...]]


@dataclass(frozen=True)
class Camera:
    """What the file says of its making. `orientation`: as EXIF has it. `monochrome`: its sensor sees no colours."""

    make: str = "Leica"
    model: str = "M10"
    taken_at: str = "2021:05:06 07:08:09"
    orientation: int = 1
    monochrome: bool = False


def dng(
    path: Path,
    sensor: Image.Image,
    preview: Image.Image | bytes | None = None,
    camera: Camera | None = None,
    preview_exif: bytes = b"",
) -> Path:
    """Writes a DNG of what the sensor saw (even sides), 16 bits a pixel, in a Bayer pattern if it sees colours.

    `preview`: the picture to embed as a JPEG, or the very bytes to embed as one.
    """
    camera = camera or Camera()
    # The sensor's values come last, as in most cameras' files: what is cut off is of them.
    sensor_fields = {**_sensor(sensor, camera), 273: (LONG, (0,))}
    shared = _facts(camera)
    file = _Writer()
    exif = file.directory({36867: _text(camera.taken_at)})
    if preview is None:
        first = below = file.directory({**sensor_fields, **shared, 34665: (LONG, (exif,))})
    else:
        data = preview if isinstance(preview, bytes) else _jpeg(preview, preview_exif)
        width, height = (640, 480) if isinstance(preview, bytes) else preview.size
        below = file.directory(sensor_fields)
        fields: dict[int, Field] = {
            **{254: (LONG, (1,)), 256: (LONG, (width,)), 257: (LONG, (height,)), 258: (SHORT, (8, 8, 8))},
            **{259: (SHORT, (7,)), 262: (SHORT, (6,)), 277: (SHORT, (3,)), 278: (LONG, (height,))},
            **{273: (LONG, (file.blob(data),)), 279: (LONG, (len(data),))},
            **{330: (LONG, (below,)), 34665: (LONG, (exif,))},
            **shared,
        }
        first = file.directory(fields)
    file.point(below, 273, file.blob(_light(sensor.convert("L")) if camera.monochrome else _mosaic(sensor)))
    path.write_bytes(file.finished(first))
    return path


def _facts(camera: Camera) -> dict[int, Field]:
    identity = tuple(value for row in range(3) for column in range(3) for value in (int(row == column), 1))
    return {
        271: _text(camera.make),
        272: _text(camera.model),
        274: (SHORT, (camera.orientation,)),
        306: _text(camera.taken_at),
        50706: (BYTE, (1, 4, 0, 0)),
        50707: (BYTE, (1, 1, 0, 0)),
        50708: _text(f"{camera.make} {camera.model}"),
        50721: (SIGNED_RATIONAL, identity),
        50728: (RATIONAL, (1, 1, 1, 1, 1, 1)),
        50778: (SHORT, (21,)),
    }


def _sensor(image: Image.Image, camera: Camera) -> dict[int, Field]:
    width, height = image.size
    return {
        **{254: (LONG, (0,)), 256: (LONG, (width,)), 257: (LONG, (height,)), 258: (SHORT, (16,))},
        **{259: (SHORT, (1,)), 262: (SHORT, (32803,)), 277: (SHORT, (1,)), 278: (LONG, (height,))},
        279: (LONG, (width * height * 2,)),
        **({262: (SHORT, (34892,))} if camera.monochrome else {33421: (SHORT, (2, 2)), 33422: (BYTE, (0, 1, 1, 2))}),
        50714: (SHORT, (0,)),
        50717: (LONG, (65535,)),
    }


def _mosaic(image: Image.Image) -> bytes:
    """Each pixel's one colour, red green / green blue, in linear light."""
    light = (np.asarray(image.convert("RGB"), np.float64) / 255) ** 2.2
    values = np.empty(light.shape[:2])
    for row, column, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        values[row::2, column::2] = light[row::2, column::2, colour]
    return (values * 65535).astype("<u2").tobytes()


def _light(image: Image.Image) -> bytes:
    """Linear light of a grey picture."""
    return ((np.asarray(image, np.float64) / 255) ** 2.2 * 65535).astype("<u2").tobytes()


def _jpeg(image: Image.Image, exif: bytes) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, exif=exif)
    data = buffer.getvalue()
    # Cameras write EXIF and no JFIF header, the 18 bytes Pillow begins with.
    return data[:2] + data[20:] if exif else data


def _text(text: str) -> Field:
    return ASCII, tuple(bytes([each]) for each in (*text.encode(), 0))


class _Writer:
    """A TIFF as it grows: blobs and directories, each told its place."""

    def __init__(self) -> None:
        self._content = bytearray(b"II*\0\0\0\0\0")

    def blob(self, data: bytes) -> int:
        self._content += b"\0" * (len(self._content) % 2)
        place = len(self._content)
        self._content += data
        return place

    def directory(self, fields: dict[int, Field]) -> int:
        rows = bytearray()
        for tag, ((code, letters), values) in sorted(fields.items()):
            data = struct.pack(f"<{letters[0] * len(values)}", *values)
            inline = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", self.blob(data))
            rows += struct.pack("<HHI", tag, code, len(values) // len(letters)) + inline
        return self.blob(struct.pack("<H", len(fields)) + rows + struct.pack("<I", 0))

    def point(self, directory: int, tag: int, place: int) -> None:
        """Sets a field of one LONG in a directory already written."""
        row = directory + 2
        while struct.unpack_from("<H", self._content, row)[0] != tag:
            row += 12
        struct.pack_into("<I", self._content, row + 8, place)

    def finished(self, first: int) -> bytes:
        self._content[4:8] = struct.pack("<I", first)
        return bytes(self._content)
