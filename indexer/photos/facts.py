"""When, where and with which camera a photo was taken, from its EXIF or, failing that, from its name.

Knows nothing of pixels. EXIF is written by strangers: whatever in it cannot be right counts as not there.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from indexer.printable import stripped

# Before the first photograph (Niepce, 1826) or past this century, a date is an error.
_YEARS = range(1826, 2101)
# A bare run of eight digits is more often a number than a date from before digital cameras named files.
_COMPACT_YEARS = range(1990, 2101)
_CAMERA_LENGTH = 80


@dataclass(frozen=True)
class CaptureFacts:
    """What is known of a photo's making.

    `taken_at`: naive, local time where it was taken; None if unknown. `taken_from`: where that comes from, "exif",
    "name" (of the file) or "". `latitude`, `longitude`: degrees, north and east positive. `camera`: "Make Model" or "".
    """

    taken_at: datetime | None = None
    taken_from: str = ""
    latitude: float | None = None
    longitude: float | None = None
    camera: str = ""


class HasExif(Protocol):
    """An opened image, or whatever else has its EXIF."""

    def getexif(self) -> Image.Exif:
        """The EXIF; may raise anything."""


def read_facts(image: HasExif, filename: str | bytes) -> CaptureFacts:
    """The facts of an opened image whose file has this name (with or without folders). Never raises."""
    exif = _directory(image.getexif)
    details = _sub_directory(image, IFD.Exif)
    taken_at = next(filter(None, map(_exif_date, _dates(exif, details))), None)
    taken_from = "exif" if taken_at else ""
    if taken_at is None:
        taken_at = date_in_name(filename)
        taken_from = "name" if taken_at else ""
    latitude, longitude = _position(_sub_directory(image, IFD.GPSInfo))
    return CaptureFacts(taken_at, taken_from, latitude, longitude, _camera(exif))


def joined_facts(first: CaptureFacts, second: CaptureFacts) -> CaptureFacts:
    """What `first` says, and `second` where it is silent; a date in EXIF goes before one in a name."""
    dated = first if first.taken_from == "exif" or second.taken_from != "exif" else second
    placed = first if first.latitude is not None else second
    return CaptureFacts(
        dated.taken_at, dated.taken_from, placed.latitude, placed.longitude, first.camera or second.camera
    )


def orientation(image: HasExif) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where there is none or it makes no sense. Never raises."""
    value = _directory(image.getexif).get(Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def date_in_name(filename: str | bytes) -> datetime | None:
    """The date, and time if there is one, that a file's name states; None if it states none clearly.

    Reads what phones, messengers and screenshot tools write: IMG_20190704_123456, PXL_20210101_123456789,
    IMG-20190704-WA0001, "2019-07-04 12.00.00", "Screenshot 2019-07-04 at 3.00.00 PM".
    """
    name = os.path.basename(os.fsdecode(filename))  # noqa: PTH119 - works on names that are not valid text
    for pattern, years in ((_SEPARATED, _YEARS), (_COMPACT, _COMPACT_YEARS)):
        for match in pattern.finditer(name):
            if int(match["year"]) in years and (found := _date_of(match)):
                return found
    return None


# The time after a date: "_123456", "-123456789" (with milliseconds), "T12:34:56", " at 3.00.00 PM", " 12h34m56".
_TIME = r"""
    (?: (?:[ _.T-]{1,3}|[ _]at[ _]) (?P<hour>[012]?\d) (?P<mark>[-_.:h]?) (?P<minute>[0-5]\d)
        (?:[-_.:m]?(?P<second>[0-5]\d))? (?:[-_.]?\d{3})?
        (?:\s?(?P<half>[AaPp])[Mm])? (?![0-9]) )?
"""
_SEPARATED = re.compile(
    # No digits and the same mark before it: that would be part of a longer number, such as a telephone's.
    r"(?<!\d)(?<!\d-)(?<!\d\.)(?P<year>\d{4})(?P<between>[-_. ])(?P<month>\d\d)(?P=between)(?P<day>\d\d)(?!\d)" + _TIME,
    re.VERBOSE,
)
_COMPACT = re.compile(
    # After a letter only where the letters are a camera's prefix: hashes and ids hold digits between letters.
    r"(?:(?<![0-9A-Za-z])|(?<=IMG)|(?<=VID)|(?<=DSC)|(?<=PXL)|(?<=PANO)|(?<=BURST))"
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(?:(?=\d{6}(?!\d))(?P<joined>\d{6})|(?![0-9A-SU-Za-z]))" + _TIME,
    re.VERBOSE,
)


def _date_of(match: re.Match[str]) -> datetime | None:
    parts = match.groupdict()
    try:
        day = datetime(int(parts["year"]), int(parts["month"]), int(parts["day"]))
    except ValueError:
        return None
    if joined := parts.get("joined"):
        hour, minute, second = int(joined[:2]), int(joined[2:4]), int(joined[4:])
    else:
        hour, minute, second = (int(parts[part] or 0) for part in ("hour", "minute", "second"))
    if parts["half"] and 1 <= hour <= 12:
        hour = hour % 12 + (12 if parts["half"] in "pP" else 0)
    try:
        return day.replace(hour=hour, minute=minute, second=second)
    except ValueError:
        # Eight digits, then six that are no time: an id. A date set apart by marks stands on its own.
        return None if joined else day


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


def _dates(exif: Mapping[int, Any], details: Mapping[int, Any]) -> list[Any]:
    return [
        details.get(Base.DateTimeOriginal),
        # Some editors write the two into the main directory.
        exif.get(Base.DateTimeOriginal),
        details.get(Base.DateTimeDigitized),
        exif.get(Base.DateTimeDigitized),
        exif.get(Base.DateTime),
    ]


_EXIF_DATE = re.compile(r"(\d{4})[:\-/. ](\d\d)[:\-/. ](\d\d)(?:[ T:]+(\d\d):(\d\d)(?::(\d\d))?)?")


def _exif_date(value: Any) -> datetime | None:
    match = _EXIF_DATE.match(_text(value))
    if match is None or int(match[1]) not in _YEARS:
        return None
    try:
        return datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None


def _position(gps: Mapping[int, Any]) -> tuple[float, float] | tuple[None, None]:
    latitude = _degrees(gps.get(GPS.GPSLatitude), gps.get(GPS.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(gps.get(GPS.GPSLongitude), gps.get(GPS.GPSLongitudeRef), "EW", 180)
    if latitude is None or longitude is None:
        return None, None
    if latitude == 0 and longitude == 0:  # a receiver without a fix; no photo is of that spot in the sea
        return None, None
    return latitude, longitude


def _degrees(value: Any, reference: Any, letters: str, most: float) -> float | None:
    letter = _text(reference)[:1].upper()
    if not letter or letter not in letters or not isinstance(value, tuple) or not 1 <= len(value) <= 3:
        return None
    try:
        degrees: float = sum(float(part) / 60**place for place, part in enumerate(value))
    except (TypeError, ValueError, ArithmeticError):
        return None
    if not math.isfinite(degrees) or not 0 <= degrees <= most:
        return None
    return -degrees if letter == letters[1] else degrees


def _camera(exif: Mapping[int, Any]) -> str:
    make, model = _text(exif.get(Base.Make)), _text(exif.get(Base.Model))
    # "NIKON CORPORATION" and "NIKON D90": the make's first word already begins the model.
    if make and model and model.split()[0].lower() == make.split()[0].lower():
        make = ""
    return f"{make} {model}".strip()[:_CAMERA_LENGTH]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return stripped(value.partition("\0")[0]) if isinstance(value, str) else ""
