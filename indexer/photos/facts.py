"""When, where and with which camera a photo was taken, by what its bytes say.

Knows EXIF, XMP, IPTC and PNG's text; nothing of pixels, of names (`names.py`) or of files beside a photo
(`sidecars.py`). Metadata is written by strangers: whatever in it cannot be right counts as not there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate
from typing import Any, Protocol

from PIL import Image, IptcImagePlugin
from PIL.ExifTags import GPS, IFD, Base

from indexer.photos.taken import CaptureFacts, best_taken, checked_position, iso_date, iso_taken, text_of
from indexer.photos.xmp import properties, xmp_claims, xmp_position

_CAMERA_LENGTH = 80
_XMP_TAG = 700


class HasExif(Protocol):
    """An opened image, or whatever else has its EXIF."""

    def getexif(self) -> Image.Exif:
        """The EXIF; may raise anything."""


def read_facts(image: HasExif) -> CaptureFacts:
    """What the bytes of an opened image say. Never raises."""
    exif = _directory(image.getexif)
    details = _sub_directory(image, IFD.Exif)
    info = getattr(image, "info", None) or {}
    xmp = _xmp(info, exif)
    claims = [
        *iso_taken("exif", [directory.get(Base.DateTimeOriginal) for directory in (details, exif)]),
        *iso_taken("exif", [directory.get(Base.DateTimeDigitized) for directory in (details, exif)]),
        *xmp_claims(xmp, "xmp"),
        *iso_taken("iptc", _iptc_dates(image)),
        *iso_taken("png", _png_dates(info)),
        # Some programs say with it when a photo was taken, most when they saved it.
        *iso_taken("modified", [xmp.get("xmp:CreateDate"), exif.get(Base.DateTime)]),
        *iso_taken("modified", [xmp.get("xmp:ModifyDate"), xmp.get("tiff:DateTime")]),
    ]
    latitude, longitude = _position(_sub_directory(image, IFD.GPSInfo))
    if latitude is None:
        latitude, longitude = xmp_position(xmp)
    return CaptureFacts(best_taken(claims), latitude, longitude, _camera(exif))


def joined_facts(first: CaptureFacts, second: CaptureFacts) -> CaptureFacts:
    """The better date of the two; of the rest what `first` says, and `second` where it is silent."""
    placed = first if first.latitude is not None else second
    taken = best_taken(each.taken for each in (first, second) if each.taken)
    return CaptureFacts(taken, placed.latitude, placed.longitude, first.camera or second.camera)


def orientation(image: HasExif) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where there is none or it makes no sense. Never raises."""
    value = _directory(image.getexif).get(Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _directory(read: Any) -> Mapping[int, Any]:
    """One EXIF directory as a plain mapping, read value by value: one broken value must not hide the others."""
    try:
        directory = read()
        keys = list(directory)
    except Exception:  # Pillow meets malformed EXIF with nearly any exception there is
        return {}
    values: dict[int, Any] = {}
    for key in keys:
        try:
            values[key] = directory[key]
        except Exception:
            continue
    return values


def _sub_directory(image: HasExif, which: IFD) -> Mapping[int, Any]:
    return _directory(lambda: image.getexif().get_ifd(which))  # type: ignore[no-untyped-call]


def _xmp(info: Mapping[Any, Any], exif: Mapping[int, Any]) -> Mapping[str, str]:
    # In a PNG it is one of the texts; in a file laid out as a TIFF, which raw files are, a tag.
    packets = (info.get("xmp"), info.get("XML:com.adobe.xmp"), exif.get(_XMP_TAG))
    return next((found for packet in packets if isinstance(packet, bytes | str) and (found := properties(packet))), {})


def _iptc_dates(image: object) -> Iterator[str]:
    try:
        found: Mapping[tuple[int, int], Any] = IptcImagePlugin.getiptcinfo(image) or {}  # type: ignore[no-untyped-call]
    except Exception:  # as with EXIF
        return
    for day, time in (((2, 55), (2, 60)), ((2, 62), (2, 63))):
        date, clock = text_of(found.get(day)), text_of(found.get(time))
        digits = re.match(r"(\d\d):?(\d\d):?(\d\d)", clock)
        yield f"{date[:4]}-{date[4:6]}-{date[6:8]} {':'.join(digits.groups())}" if digits and date.isdigit() else date


def _png_dates(info: Mapping[Any, Any]) -> Iterator[str]:
    for key, value in info.items():
        # Not "date:create", which ImageMagick writes: when the file was made that it read.
        if isinstance(key, str) and key.lower() in ("creation time", "creationtime", "create-date"):
            text = text_of(value)
            parts = parsedate(text)  # the specification asks for "Thu, 04 Jul 2019 12:34:56 +0200"
            if not iso_date(text) and parts is not None:
                with suppress(ValueError):
                    text = datetime(*parts[:6]).isoformat()
            yield text


def _position(gps: Mapping[int, Any]) -> tuple[float, float] | tuple[None, None]:
    latitude = _degrees(gps.get(GPS.GPSLatitude), gps.get(GPS.GPSLatitudeRef), "S")
    longitude = _degrees(gps.get(GPS.GPSLongitude), gps.get(GPS.GPSLongitudeRef), "W")
    return checked_position(latitude, longitude)


def _degrees(value: Any, reference: Any, negative: str) -> float | None:
    """Degrees, minutes, seconds as one number: positive unless the reference says otherwise, as ExifTool reads it."""
    parts = value if isinstance(value, tuple) else (value,)
    if not 1 <= len(parts) <= 3:
        return None
    try:
        degrees: float = sum(float(part) / 60**place for place, part in enumerate(parts))
    except (TypeError, ValueError, ArithmeticError):
        return None
    if not math.isfinite(degrees) or degrees < 0:
        return None
    return -degrees if text_of(reference)[:1].upper() == negative else degrees


def _camera(exif: Mapping[int, Any]) -> str:
    make, model = text_of(exif.get(Base.Make)), text_of(exif.get(Base.Model))
    # "NIKON CORPORATION" and "NIKON D90": the make's first word already begins the model.
    if make and model and model.split()[0].lower() == make.split()[0].lower():
        make = ""
    return f"{make} {model}".strip()[:_CAMERA_LENGTH]
