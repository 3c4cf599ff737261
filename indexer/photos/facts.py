"""When, where and with which camera a photo was taken, by what its bytes say; and which of several claims to trust.

Knows dates as text and the order of trust, EXIF, XMP, IPTC and PNG's text; nothing of pixels, and nothing of names or
of files beside a photo (`file_facts`). Metadata is written by strangers: whatever in it cannot be right counts as
absent, and an XMP packet that cannot be read has no properties.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate
from typing import Any, Protocol
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from PIL import Image, IptcImagePlugin
from PIL.ExifTags import GPS, IFD, Base

from indexer.printable import stripped

RULES = 1
"""The version of the rules in this module and `file_facts`: libraries read facts again when it grows."""

# Before the first photograph (Niepce, 1826) or past this century, a date is an error.
YEARS = range(1826, 2101)
# How much of an ISO date is known: the year, the month, the day, all of it.
YEAR, MONTH, DAY, SECOND = 4, 7, 10, 19
# Texts of PNG and XMP may have megabytes; no date or camera is longer.
_LONGEST = 1000


# The sources of dates in the order of trust (docs/design.md, Dates): of two dates the one whose source comes first is
# believed. Beside each whether a clock says so, which may never have been set.
_SOURCES = {
    **{"exif": True, "xmp": True, "iptc": True, "takeout": False, "sidecar": True, "png": True},
    **{"name": False, "folder": False, "modified": True},
}
_RANK = {source: rank for rank, source in enumerate(_SOURCES)}
# What devices write that were never set: where their clocks start, and what some firmware writes instead of the time.
_DEFAULT_DAYS = frozenset(
    {
        *("1904-01-01", "1969-12-31", "1970-01-01", "1979-12-31", "1980-01-01"),
        *("1979-11-30", "1899-12-30", "1899-12-31", "1900-01-01", "1901-01-01"),
    }
)
_DEFAULT_MOMENTS = frozenset(
    {
        *("2002-12-08T12:00:00", "1999-11-30T00:00:00", "1998-01-01T00:00:00", "1999-01-01T00:00:00"),
        *("1999-12-31T00:00:00", "2036-02-07T06:28:16", "2038-01-19T03:14:07"),
        # Cameras reset to the beginning of the year they were made in.
        *(f"{year}-01-01T00:00:00" for year in range(2000, 2021)),
        *(f"{year}-01-01T12:00:00" for year in range(2000, 2021)),
    }
)
# Editors append their history of every change; beyond this no packet is a photo's.
MAX_PACKET_BYTES = 4 << 20
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
# The names that properties are asked for by: namespaces, not prefixes, are what a packet fixes.
_PREFIXES = {
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
}
_CAMERA_LENGTH = 80
_XMP_TAG = 700


@dataclass(frozen=True)
class Taken:
    """When a photo was taken, local time, as far as it is known, and from where.

    `text`: the beginning of an ISO 8601 date: "2019", "2019-07", "2019-07-04" or "2019-07-04T12:34:56".
    """

    text: str
    source: str

    @property
    def moment(self) -> datetime:
        """The earliest it may have been. Raises ValueError if the text is no date."""
        return datetime.fromisoformat(self.text + "0001-01-01T00:00:00"[len(self.text) :])

    @property
    def is_default(self) -> bool:
        """Whether a clock that was never set says so."""
        return _SOURCES.get(self.source, False) and (self.text[:DAY] in _DEFAULT_DAYS or self.text in _DEFAULT_MOMENTS)

    @property
    def is_unsure(self) -> bool:
        """Whether the day is not known, or the date is one that is wrong more often than not."""
        return len(self.text) < DAY or self.source == "modified" or self.is_default


def best_taken(claims: Iterable[Taken]) -> Taken | None:
    """The date to believe: of the most trusted source, and of the first of its claims.

    Where that one knows only a day, a month or a year, a lesser claim that lies within it gives the rest.
    """
    ordered = sorted(claims, key=lambda taken: (taken.is_default, _RANK.get(taken.source, len(_RANK))))
    best = ordered[0] if ordered else None
    for other in ordered[1:]:
        if best is not None and not other.is_default and other.text.startswith(best.text):
            best = Taken(other.text, best.source)
    return best


@dataclass(frozen=True)
class CaptureFacts:
    """What is known of a photo's making.

    `latitude`, `longitude`: degrees, north and east positive; both or none. `camera`: "Make Model" or "".
    """

    taken: Taken | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str = ""

    @property
    def taken_at(self) -> datetime | None:
        """The earliest moment it may have been taken at, naive, local time; None if unknown."""
        return self.taken.moment if self.taken else None

    @property
    def taken_from(self) -> str:
        """Where that comes from (see `_SOURCES`), or ""."""
        return self.taken.source if self.taken else ""

    @property
    def taken_known(self) -> int:
        """How many characters of the ISO date are known; all if there is none."""
        return len(self.taken.text) if self.taken else SECOND


@dataclass(frozen=True)
class FileFacts:
    """What a file says of its photo by its name, its folders' and its sidecars.

    `stamp`: of the sidecars it was read from and of the rules; 0 if they have to be read (again).
    """

    taken: Taken | None = None
    latitude: float | None = None
    longitude: float | None = None
    stamp: int = 0


def checked_position(latitude: float | None, longitude: float | None) -> tuple[float, float] | tuple[None, None]:
    """The position if it is one on Earth."""
    if latitude is None or longitude is None or not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None, None
    if latitude == 0 and longitude == 0:  # a receiver without a fix; no photo is of that spot in the sea
        return None, None
    return latitude, longitude


# Dates as cameras and programs write them: "2019:07:04 12:34:56", "2019: 7: 4", "2019-07-04T12:34:56.78+02:00",
# "20190704"; what is not known is left out, blank or 00.
_WRITTEN = re.compile(
    r"""\s*(?P<year>\d{4})
    (?: (?P<compact>\d{4})
      | [:\-/. ]\s?(?P<month>\d{1,2}) (?: [:\-/. ]\s?(?P<day>\d{1,2}) (?: [ T:]+ (?P<time>\d{1,2}:\s?\d{1,2}
        (?: :\s?\d{1,2} )? ) )? )?
    )? (?!\d)""",
    re.VERBOSE,
)


def iso_date(written: Any) -> str:
    """The date that a metadata value states, as the beginning of an ISO 8601 date; "" if it states none.

    The time is the one on the clock there: an offset from UTC is passed over. Midnight may be 24 o'clock, and a minute
    have a 60th second.
    """
    match = _WRITTEN.match(text_of(written))
    if match is None or int(match["year"]) not in YEARS:
        return ""
    compact = match["compact"] or ""
    year, month, day = (int(part or 0) for part in (match["year"], match["month"], match["day"]))
    if compact:
        month, day = int(compact[:2]), int(compact[2:])
    if not month:
        return "" if day else f"{year:04}"
    try:
        moment = datetime(year, month, day or 1)
    except ValueError:
        return ""
    if not day:
        return moment.isoformat()[:MONTH]
    if not match["time"]:
        return moment.isoformat()[:DAY]
    hour, minute, second = [*map(int, match["time"].split(":")), 0][:3]
    if hour > 24 or minute > 59 or second > 60:
        return ""
    return (moment + timedelta(hours=hour, minutes=minute, seconds=second)).isoformat()


def iso_taken(source: str, written: Iterable[Any]) -> list[Taken]:
    """What a source says, for each of its values that is a date."""
    return [Taken(text, source) for text in map(iso_date, written) if text]


def text_of(value: Any) -> str:
    """A metadata value as text to show; "" if it is none."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return stripped(value.partition("\0")[0][:_LONGEST]) if isinstance(value, str) else ""


def properties(packet: bytes | str) -> Mapping[str, str]:
    """The simple properties by name, such as "exif:DateTimeOriginal"; the first item of those that are lists.

    Only the photo's own: a packet also holds those of pictures that it was made of. Never raises.
    """
    data = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet
    data = data.strip(b"\0 \t\r\n")
    if not data or len(data) > MAX_PACKET_BYTES:
        return {}
    try:
        root: Element = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # LookupError: an encoding nobody knows
        return {}
    about = root if root.tag == _RDF + "RDF" else root.find(_RDF + "RDF")
    found: dict[str, str] = {}
    for description in [] if about is None else about.findall(_RDF + "Description"):
        for tag, value in description.attrib.items():
            _keep(found, tag, value)
        for element in description:
            _keep(found, element.tag, _text(element))
    return found


def xmp_claims(xmp: Mapping[str, str], source: str) -> list[Taken]:
    """When the photo was taken, by the properties that say so."""
    names = ("exif:DateTimeOriginal", "photoshop:DateCreated", "exif:DateTimeDigitized")
    return iso_taken(source, [xmp.get(name) for name in names])


def xmp_position(xmp: Mapping[str, str]) -> tuple[float, float] | tuple[None, None]:
    """Where the photo was taken: (latitude, longitude) in degrees."""
    return checked_position(
        _xmp_degrees(xmp.get("exif:GPSLatitude", ""), "NS"), _xmp_degrees(xmp.get("exif:GPSLongitude", ""), "EW")
    )


def _keep(found: dict[str, str], tag: str, value: str) -> None:
    namespace, _, name = tag.removeprefix("{").partition("}")
    prefix = _PREFIXES.get(namespace)
    if prefix and value.strip():
        found.setdefault(f"{prefix}:{name}", value.strip())


def _text(element: Element) -> str:
    item = element.find(f"*/{_RDF}li")
    return (element if item is None else item).text or ""


_XMP_DEGREES = re.compile(r"([-+]?\d{1,3}(?:\.\d+)?)(?:,(\d{1,2}(?:\.\d+)?))?(?:,(\d{1,2}(?:\.\d+)?))?\s*([NSEWnsew]?)")


def _xmp_degrees(text: str, letters: str) -> float | None:
    """ "48,8.232N" and "48,8,13.9N", as XMP asks for, and "-48.1372", which some write."""
    match = _XMP_DEGREES.fullmatch(text)
    if match is None or match[4].upper() not in ("", *letters):
        return None
    degrees = abs(float(match[1])) + float(match[2] or 0) / 60 + float(match[3] or 0) / 3600
    return -degrees if match[1].startswith("-") or match[4].upper() == letters[1] else degrees


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
