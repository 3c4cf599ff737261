"""Which files count as photos: suffixes worth opening, formats worth decoding, and the extras that add to both.

Knows nothing of folders or pixels. A suffix only makes a file a candidate; what it is, its first bytes decide.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass

CORE_SUFFIXES = frozenset(
    {
        *(b".jpg", b".jpeg", b".jpe", b".jfif", b".png", b".webp", b".gif", b".bmp", b".dib", b".tif", b".tiff"),
        *(b".jp2", b".j2k", b".j2c", b".jpc", b".jpf", b".jpx", b".ppm", b".pgm", b".pbm", b".pnm", b".pfm"),
    }
)
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
_RAW = _Extra("rawpy", "rawpy", _RAW_SUFFIXES)
_EXTRAS = (_HEIF, _AVIF, _RAW)
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


def is_raw_name(path: bytes) -> bool:
    """Whether the file is named as camera raw files are."""
    return os.path.splitext(path)[1].lower() in _RAW_SUFFIXES  # noqa: PTH122 - pathlib takes no bytes


def reads_heif() -> bool:
    """Whether HEIC files can be decoded here."""
    return _is_installed(_HEIF.module)


def reads_avif() -> bool:
    """Whether AVIF files can be decoded here."""
    return _is_installed(_AVIF.module)


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
