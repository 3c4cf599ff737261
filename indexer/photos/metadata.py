"""When, where and with which camera a photo was taken, by what its bytes say: EXIF, XMP, IPTC and PNG's text.

Knows nothing of pixels, and nothing of names or of files beside a photo (`file_facts`). Metadata is written by
strangers: whatever in it cannot be right counts as absent, and an XMP packet that cannot be read has no properties.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate
from typing import Any, Protocol
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from PIL import Image, IptcImagePlugin
from PIL.ExifTags import GPS, IFD, Base

from indexer.photos.facts import CaptureFacts, Taken, best_taken, checked_position, iso_date, iso_taken, text_of

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
