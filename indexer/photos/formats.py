"""Which files count as photos: suffixes worth opening, formats worth decoding, and the extras that add to both.

Knows nothing of folders or pixels. A suffix only makes a file a candidate; what it is, its first bytes decide.
"""

from __future__ import annotations

import importlib
import importlib.util

CORE_SUFFIXES = frozenset(
    {
        *(b".jpg", b".jpeg", b".jpe", b".jfif", b".png", b".webp", b".gif", b".bmp", b".dib", b".tif", b".tiff"),
        *(b".jp2", b".j2k", b".j2c", b".jpc", b".jpf", b".jpx", b".ppm", b".pgm", b".pbm", b".pnm", b".pfm"),
    }
)
# Each extra module, the package that brings it, what it lets Pillow decode, and the suffixes those files have.
_EXTRAS: tuple[tuple[str, str, str, frozenset[bytes]], ...] = (
    ("pillow_heif", "pillow-heif", "HEIF", frozenset({b".heic", b".heif", b".hif"})),
    ("pillow_avif", "pillow-avif-plugin", "AVIF", frozenset({b".avif"})),
)
# Camera raw files: counted, so that the user hears of them, and never opened, since no extra decodes them yet.
_RAW_SUFFIXES = frozenset(
    {
        *(b".3fr", b".arw", b".cr2", b".cr3", b".crw", b".dng", b".erf", b".iiq", b".nef", b".nrw"),
        *(b".orf", b".pef", b".raf", b".raw", b".rw2", b".rwl", b".sr2", b".srf", b".srw", b".x3f"),
    }
)
_CORE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM")
# Pillow's own modules for them. Named one by one because `Image.init()` would import some forty more, among them
# plugins that start other programs (EPS).
_CORE_PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Jpeg2K", "Ppm")


def accepted_suffixes() -> frozenset[bytes]:
    """The lower-case suffixes that can be decoded here, with the dot."""
    return CORE_SUFFIXES.union(*(suffixes for module, _, _, suffixes in _EXTRAS if _is_installed(module)))


def left_out_suffixes() -> frozenset[bytes]:
    """The lower-case suffixes of photos that cannot be decoded here because an extra is not installed."""
    return _RAW_SUFFIXES.union(*(suffixes for module, _, _, suffixes in _EXTRAS if not _is_installed(module)))


def package_for(suffix: bytes) -> str:
    """The package that decodes files with this lower-case suffix, to be installed; "" if dar has no use for any."""
    return next((package for _, package, _, suffixes in _EXTRAS if suffix in suffixes), "")


def register_formats() -> tuple[str, ...]:
    """Makes the allowed formats known to Pillow and returns their names, in the order to try them. Cheap to repeat."""
    for name in _CORE_PLUGINS:
        importlib.import_module(f"PIL.{name}ImagePlugin")
    names = list(_CORE_FORMATS)
    for module, _, name, _ in _EXTRAS:
        if not _is_installed(module):
            continue
        plugin = importlib.import_module(module)
        if module == "pillow_heif":
            plugin.register_heif_opener()
        names.append(name)
    return tuple(names)


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
