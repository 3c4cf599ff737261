"""Which files count as photos: suffixes worth opening, formats worth decoding, and the extras that add to both.

Knows nothing of folders or pixels. A suffix only makes a file a candidate; what it is, its first bytes decide. What
decoders print is turned off here: the terminal belongs to progress bars and interfaces, and what a decoder has to
say of a file arrives as an exception all the same.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import logging
import os
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import BinaryIO

CORE_SUFFIXES = frozenset(
    {
        *(b".jpg", b".jpeg", b".jpe", b".jfif", b".png", b".webp", b".gif", b".bmp", b".dib", b".tif", b".tiff"),
        *(b".jp2", b".j2k", b".j2c", b".jpc", b".jpf", b".jpx", b".ppm", b".pgm", b".pbm", b".pnm", b".pfm"),
        # JPEG and PNG under other names: with a second picture behind the first (3D cameras, phones), side by side,
        # animated, of a 360-degree camera, as browsers save them.
        *(b".mpo", b".jps", b".pns", b".apng", b".insp", b".jif", b".jfi", b".pjpeg", b".pjp", b".jpg_large"),
    }
)
# Pictures that are counted by their suffix, not opened: Pillow's readers of PSD, ICO, EPS, DDS, FITS and the like have
# open advisories, others have none that is maintained. A .jpg_original is ExifTool's copy of a photo that lies beside
# it: opened, every edited photo would be there twice.
_OTHER_PICTURES = frozenset(
    {
        *(b".psd", b".psb", b".xcf", b".kra", b".ora", b".svg", b".svgz", b".ai", b".eps", b".cdr", b".ico", b".icns"),
        *(b".tga", b".pcx", b".dds", b".exr", b".hdr", b".dcm", b".fits", b".fit", b".wmf", b".emf", b".jxr", b".wdp"),
        *(b".hdp", b".flif", b".bpg", b".qoi", b".pict", b".pct", b".sgi", b".ras", b".xbm", b".xpm", b".thm", b".gpr"),
        *(b".heics", b".djvu", b".procreate", b".afphoto", b".lrprev", b".jpg_original", b".jpeg_original"),
        *(b".png_original", b".tif_original", b".heic_original", b".dng_original", b".cr2_original", b".nef_original"),
        *(b".arw_original", b".gif_original", b".webp_original", b".mos", b".mef", b".mrw", b".dcr", b".kdc", b".cap"),
    }
)
_FIRST_BOXES = (b"ftyp", b"jP  ", b"JXL ")
JXL_STREAM = b"\xff\x0a"
_JPEG_2000_STREAM, _JPEG_2000_END = b"\xff\x4f\xff\x51", b"\xff\xd9"
# Files of these kinds have about ten boxes at their top.
_MOST_BOXES = 1000
_VIDEOS = frozenset(
    {
        *(b".mp4", b".mov", b".m4v", b".avi", b".mkv", b".webm", b".3gp", b".3g2", b".mts", b".m2ts", b".mpg"),
        *(b".mpeg", b".mpe", b".m2v", b".wmv", b".asf", b".flv", b".f4v", b".vob", b".ogv", b".divx", b".dv", b".mod"),
        *(b".tod", b".insv", b".lrv", b".360", b".rm", b".rmvb", b".mxf", b".qt"),
    }
)
VIDEO, NO_SUFFIX, OTHER = "video", "no suffix", "other"
"""Kinds of files that are left out, besides pictures' suffixes: see `kind_left_out`."""

# How the files begin that are opened whatever they are called: enough to recognise a photo without suffix.
_HEADS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\x00\x00\x00\x0cJXL \r\n\x87\n"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"mif1", b"avif", b"crx ")
# Grows whenever files that were refused may be opened by a newer dar: problems on record are then tried once more.
READS = 2
_RAW_SUFFIXES = frozenset(
    {
        *(b".3fr", b".arw", b".cr2", b".cr3", b".crw", b".dng", b".erf", b".iiq", b".nef", b".nrw"),
        *(b".orf", b".pef", b".raf", b".raw", b".rw2", b".rwl", b".sr2", b".srf", b".srw", b".x3f"),
    }
)


@dataclass(frozen=True)
class _Extra:
    """A module, the package that brings it, and the suffixes it adds."""

    module: str
    package: str
    suffixes: frozenset[bytes]


# None is Pillow's to open: their decoders run in processes of their own.
_HEIF = _Extra("pillow_heif", "pillow-heif", frozenset({b".heic", b".heif", b".hif"}))
_AVIF = _Extra("pillow_avif", "pillow-avif-plugin", frozenset({b".avif"}))
_JXL = _Extra("pillow_jxl", "pillow-jxl-plugin", frozenset({b".jxl"}))
_RAW = _Extra("rawpy", "rawpy", _RAW_SUFFIXES)
_EXTRAS = (_HEIF, _AVIF, _JXL, _RAW)
# Reads the TIFFs that Pillow does not.
_TIFF_MODULE = "tifffile"
_CORE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM")
# Picture editors write megabytes of history into a PNG's text; Pillow refuses a file with more than one in a piece.
# What all pieces may take together stays at its 64 MB.
_PNG_TEXT_BYTES = 16 << 20
# Pillow's own modules for them. Named one by one because `Image.init()` would import some forty more, among them
# plugins that start other programs (EPS).
_CORE_PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Jpeg2K", "Ppm")


def accepted_suffixes() -> frozenset[bytes]:
    """The lower-case suffixes that can be decoded here, with the dot."""
    return CORE_SUFFIXES.union(*(extra.suffixes for extra in _EXTRAS if _is_installed(extra.module)))


def left_out_suffixes() -> frozenset[bytes]:
    """The lower-case suffixes of photos that cannot be decoded here because an extra is not installed."""
    return frozenset[bytes]().union(*(extra.suffixes for extra in _EXTRAS if not _is_installed(extra.module)))


def package_for(suffix: bytes) -> str:
    """The package that decodes files with this lower-case suffix, to be installed; "" if dar has no use for any."""
    return next((extra.package for extra in _EXTRAS if suffix in extra.suffixes), "")


def kind_left_out(suffix: bytes) -> str:
    """What to count a file under that is not taken, by its lower-case suffix: VIDEO, NO_SUFFIX, a picture's suffix
    such as ".psd", or OTHER for what is neither picture nor film."""
    if not suffix:
        return NO_SUFFIX
    if suffix in _VIDEOS:
        return VIDEO
    return os.fsdecode(suffix) if suffix in _OTHER_PICTURES else OTHER


def begins_like_a_photo(head: bytes) -> bool:
    """Whether a file's first 16 bytes are those of a format that may be opened."""
    if head.startswith(_HEADS) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return True
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def ends_early(file: BinaryIO) -> bool:
    """Whether a file of boxes (HEIC, AVIF, JPEG XL, JPEG 2000) is shorter than they say, or a JPEG 2000 has no end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head.startswith(_JPEG_2000_STREAM):
        file.seek(-len(_JPEG_2000_END), os.SEEK_END)
        return file.read() != _JPEG_2000_END
    if head[4:8] not in _FIRST_BOXES:
        return False
    place = 0
    for _ in range(_MOST_BOXES):
        if place == size:
            return False
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if len(head) < 8 or place + length > size:
            return True
        if length == 0:  # to the end of the file
            file.seek(-len(_JPEG_2000_END), os.SEEK_END)
            return head[4:8] == b"jp2c" and file.read() != _JPEG_2000_END
        if length < 8:
            return False
        place += length
    return False


def is_raw_name(path: bytes) -> bool:
    """Whether the file is named as camera raw files are."""
    return os.path.splitext(path)[1].lower() in _RAW_SUFFIXES  # noqa: PTH122 - pathlib takes no bytes


def reads_heif() -> bool:
    """Whether HEIC files can be decoded here."""
    return _is_installed(_HEIF.module)


def reads_avif() -> bool:
    """Whether AVIF files can be decoded here."""
    return _is_installed(_AVIF.module)


def reads_jxl() -> bool:
    """Whether JPEG XL files can be decoded here."""
    return _is_installed(_JXL.module)


def reads_tiff() -> bool:
    """Whether TIFFs that Pillow does not open can be decoded here."""
    return _is_installed(_TIFF_MODULE)


def reads_raw() -> bool:
    """Whether camera raw files can be decoded here."""
    return _is_installed(_RAW.module)


def register_formats() -> tuple[str, ...]:
    """Makes the allowed formats known to Pillow and returns their names, in the order to try them. Cheap to repeat."""
    from PIL import PngImagePlugin as png

    for name in _CORE_PLUGINS:
        importlib.import_module(f"PIL.{name}ImagePlugin")
    png.MAX_TEXT_CHUNK = _PNG_TEXT_BYTES
    return _CORE_FORMATS


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def silence_decoders() -> None:
    """Turns off what Pillow warns and logs and what libtiff prints. Cheap to repeat, safe in threads."""
    # `warnings.catch_warnings` is not safe in threads, so the filter, narrow and the same every time, stays.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        # Without any handler Python prints errors that are only logged.
        logger.addHandler(logging.NullHandler())
    # libtiff writes to the process's stderr itself, and Pillow gives no way to stop it; the symbol is found through
    # Pillow's extension module, which is linked to it. Where it is not found, messages are printed: no worse than that.
    extension = find_spec("PIL._imaging")
    try:
        libtiff = ctypes.CDLL(extension.origin if extension else None)
        for set_handler in (libtiff.TIFFSetErrorHandler, libtiff.TIFFSetWarningHandler):
            set_handler(None)
    except (AttributeError, OSError):
        return
