"""Makers of real image files, good and hostile, for every test that needs photos on disk.

Everything is drawn here with Pillow and a seed; nothing is read from outside.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

RED, GREEN, BLUE, WHITE, BLACK = (220, 30, 30), (30, 180, 30), (30, 30, 220), (255, 255, 255), (0, 0, 0)


def picture(seed: int = 0, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A colourful picture unlike that of any other seed: a few blended blobs, so that JPEG keeps it recognisable."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def corners(size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Red at the top left, green at the top right, blue at the bottom left, white at the bottom right."""
    width, height = size
    image = Image.new("RGB", size, WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def jpeg(
    path: Path | bytes,
    seed: int = 0,
    size: tuple[int, int] = (96, 64),
    *,
    image: Image.Image | None = None,
    orientation: int | None = None,
    taken_at: datetime | str | None = None,
    gps: tuple[float, float] | None = None,
    camera: tuple[str, str] | None = None,
    exif: bytes | None = None,
    quality: int = 90,
    progressive: bool = False,
) -> Path:
    """Writes a JPEG with the EXIF asked for. `gps`: signed degrees; `camera`: make, model; `exif`: raw bytes."""
    with open(path, "wb") as file:  # noqa: PTH123 - paths may be bytes
        (image or picture(seed, size)).save(
            file,
            "JPEG",
            quality=quality,
            progressive=progressive,
            exif=exif if exif is not None else exif_bytes(orientation, taken_at, gps, camera),
        )
    return Path(os.fsdecode(path))


def exif_bytes(
    orientation: int | None = None,
    taken_at: datetime | str | None = None,
    gps: tuple[float, float] | None = None,
    camera: tuple[str, str] | None = None,
) -> bytes:
    """An EXIF block as a camera writes it."""
    exif = Image.Exif()
    if orientation is not None:
        exif[Base.Orientation] = orientation
    if camera is not None:
        exif[Base.Make], exif[Base.Model] = camera
    if taken_at is not None:
        text = taken_at if isinstance(taken_at, str) else taken_at.strftime("%Y:%m:%d %H:%M:%S")
        exif[IFD.Exif] = {int(Base.DateTimeOriginal): text}
    if gps is not None:
        exif[IFD.GPSInfo] = gps_directory(*gps)
    return exif.tobytes()


def gps_directory(latitude: float, longitude: float) -> dict[int, object]:
    """Signed degrees as EXIF's references and degrees, minutes, seconds."""
    return {
        int(GPS.GPSLatitudeRef): "N" if latitude >= 0 else "S",
        int(GPS.GPSLatitude): _sexagesimal(abs(latitude)),
        int(GPS.GPSLongitudeRef): "E" if longitude >= 0 else "W",
        int(GPS.GPSLongitude): _sexagesimal(abs(longitude)),
    }


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    minutes = (degrees % 1) * 60
    return float(int(degrees)), float(int(minutes)), round((minutes % 1) * 60, 4)


def folder_of(folder: Path, count: int, *, start: int = 0, size: tuple[int, int] = (96, 64)) -> list[Path]:
    """`count` different JPEGs in `folder` (made if missing), named photo-0000.jpg and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    return [jpeg(folder / f"photo-{number:04}.jpg", number, size) for number in range(start, start + count)]


# Hostile and odd files. Each maker writes one file and returns its path.


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def truncated(path: Path, seed: int = 0, keep: float = 0.5) -> Path:
    """A JPEG whose second part never arrived."""
    whole = jpeg(path, seed, (640, 480)).read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    return path


def headless(path: Path) -> Path:
    """A JPEG of which only the header and a stripe arrived: nothing to recognise it by."""
    whole = jpeg(path, 0, (640, 480)).read_bytes()
    path.write_bytes(whole[: whole.index(b"\xff\xda") + 40])
    return path


def headless_png(path: Path) -> Path:
    picture(1, (400, 300)).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:80])
    return path


def text_file(path: Path) -> Path:
    path.write_text("Dear diary, today I renamed a text file to look like a photo.\n" * 20, encoding="utf-8")
    return path


def damaged(path: Path) -> Path:
    """A PNG whose pixel data does not decompress."""
    chunks = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)) + _png_chunk(
        b"IDAT", b"\x78\x9cnonsense"
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + _png_chunk(b"IEND", b""))
    return path


def bomb(path: Path, side: int = 60_000) -> Path:
    """A few hundred bytes whose header asks for `side` x `side` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", data) + _png_chunk(b"IEND", b"")
    )
    return path


def jpeg_bomb(path: Path, side: int = 60_000, *, progressive: bool = False) -> Path:
    """A small JPEG whose header is patched to ask for `side` x `side` pixels."""
    whole = bytearray(jpeg(path, 0, (64, 64), progressive=progressive).read_bytes())
    start = whole.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    whole[start + 5 : start + 9] = struct.pack(">HH", side, side)
    path.write_bytes(bytes(whole))
    return path


def escaping_error(path: Path) -> Path:
    """A PNG with a chunk whose name, which decoders quote in their complaints, is a terminal escape."""
    header = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 4) + b"\x1b[2J" + b"abcd" + b"\0\0\0\0")
    return path


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def cmyk(path: Path) -> Path:
    corners().convert("CMYK").save(path, "JPEG", quality=95)
    return path


def grey_16_bit(path: Path) -> Path:
    """A 16-bit ramp from black on the left to white on the right; PNG or TIFF by suffix."""
    ramp = np.tile(np.linspace(0, 65535, 128).astype(np.uint16), (64, 1))
    Image.fromarray(ramp).save(path)
    return path


def grey_32_bit(path: Path, most: int = 65535) -> Path:
    ramp = np.tile(np.linspace(0, most, 128).astype(np.int32), (64, 1))
    Image.fromarray(ramp, "I").save(path, "TIFF")
    return path


def grey_float(path: Path, most: float = 1.0) -> Path:
    ramp = np.tile(np.linspace(0, most, 128, dtype=np.float32), (64, 1))
    ramp[0, 0] = np.nan
    Image.fromarray(ramp, "F").save(path, "TIFF")
    return path


def transparent(path: Path, mode: str = "RGBA") -> Path:
    """A red square on a fully transparent ground; mode RGBA, LA (grey square), PA-like P, or RGB with a colour key."""
    image = Image.new("RGBA", (120, 80), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 60, 80))
    if mode == "RGBA":
        image.save(path, "PNG")
    elif mode == "LA":
        image.convert("LA").save(path, "PNG")
    elif mode == "P":
        indexed = Image.new("P", (120, 80), 1)
        indexed.putpalette([*RED, *BLACK])
        indexed.paste(0, (0, 0, 60, 80))
        indexed.save(path, "PNG", transparency=b"\xff\x00")
    else:
        keyed = Image.new("RGB", (120, 80), (1, 2, 3))
        keyed.paste(RED, (0, 0, 60, 80))
        keyed.save(path, "PNG", transparency=(1, 2, 3))
    return path


def animated(path: Path) -> Path:
    """Two frames: red, then blue; GIF, WebP or PNG by suffix."""
    frames = [Image.new("RGB", (64, 48), colour) for colour in (RED, BLUE)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "empty.jpg": empty,
    "truncated.jpg": headless,
    "truncated.png": headless_png,
    "text.jpg": text_file,
    "damaged.png": damaged,
    "bomb.png": bomb,
    "bomb.jpg": jpeg_bomb,
    "escape.png": escaping_error,
}
"""File name -> maker; none of these can be read as a photo."""

# "The sea" in as many scripts; then one letter composed and decomposed, which some file systems take for the same.
_SCRIPTS = (
    *("море", "θάλασσα", "البحر", "הים", "دریا", "समुद्र", "সমুদ্র", "கடல்", "ทะเล", "ທະເລ", "ပင်လယ်", "សមុទ្រ"),
    *("海", "うみ", "ウミ", "바다", "ծով", "ზღვა", "ባሕር", "ᠳᠠᠯᠠᠢ", "ᎠᎺᏉᎯ", "རྒྱ་མཚོ", "𓈗", "caf\u00e9", "cafe\u0301"),
)
AWKWARD_NAMES: tuple[bytes, ...] = (
    b"two\nlines.jpg",
    b"escape \x1b[31mred\x1b[0m.jpg",
    b"  spaces at both ends  .jpg",
    "smile \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f60a.jpg".encode(),
    b"latin1-caf\xe9.jpg",
    b"quote\"and'back\\slash.jpg",
    b"-rf.jpg",
    "\u05e9\u05dc\u05d5\u05dd \u202egpj.jpg".encode(),
    b"per%cent [bold]markup.jpg",
    b"tab\tbell\x07return\r.jpg",
    b"*?{a,b}$(touch x)`touch y`;&|<>.jpg",
    b"n" * 251 + b".jpg",
    "\U0001f468".encode() * 62 + b"abc.jpg",
    *(f"{text}.jpg".encode() for text in _SCRIPTS),
)
"""Names of good photos that break careless programs."""


def awkward_folder(folder: Path) -> list[bytes]:
    """Good photos under every awkward name; returns their full paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [os.path.join(os.fsencode(folder), name) for name in AWKWARD_NAMES]  # noqa: PTH118
    for seed, path in enumerate(paths):
        jpeg(path, 5000 + seed)
    return paths
