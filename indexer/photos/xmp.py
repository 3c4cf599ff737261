"""XMP: the properties of a packet, as programs embed it in photos and write it beside them, and what they say of a
photo's making.

Knows XML, XMP's three ways to write a property, and those of dates and places. Packets are written by strangers: what
cannot be read has no properties.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from indexer.photos.taken import Taken, checked_position, iso_taken

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
