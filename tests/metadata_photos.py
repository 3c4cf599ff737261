"""Small photos with metadata of every kind that says when and where: EXIF, XMP, IPTC, PNG's text, Takeout, sidecars.

    python -m tests.metadata_photos FOLDER

writes some 390 of them, the same for a seed.
"""

from __future__ import annotations

import itertools
import json
import random
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image, PngImagePlugin, TiffImagePlugin
from PIL.ExifTags import IFD, Base

from tests.photos import gps_directory
from tests.photos import picture as drawn

Place = tuple[float, float]


@dataclass(frozen=True)
class Metadata:
    """What goes into one photo: dates as written, by kind; `place` in its EXIF, `xmp_place` in its XMP."""

    original: str = ""
    digitized: str = ""
    modified: str = ""
    xmp: Mapping[str, str] | None = None
    iptc: tuple[str, str] | None = None
    png: str = ""
    place: Place | None = None
    references: bool = True
    xmp_place: tuple[str, str] | None = None


def picture(seed: int = 0) -> Image.Image:
    """A few pixels unlike those of any other seed."""
    return drawn(seed, (24, 16))


def exif(metadata: Metadata) -> bytes:
    """The EXIF block."""
    made = Image.Exif()
    if metadata.modified:
        made[Base.DateTime] = metadata.modified
    details = {int(Base.DateTimeOriginal): metadata.original, int(Base.DateTimeDigitized): metadata.digitized}
    if any(details.values()):
        made[IFD.Exif] = {tag: text for tag, text in details.items() if text}
    if metadata.place is not None:
        directory = gps_directory(*metadata.place)
        made[IFD.GPSInfo] = {
            tag: value for tag, value in directory.items() if metadata.references or not isinstance(value, str)
        }
    return made.tobytes() if len(made) else b""


def xmp(values: Mapping[str, str], *, elements: bool = False) -> bytes:
    """An XMP packet with these properties ("exif:DateTimeOriginal"), as attributes or as elements."""
    spaces = {
        "exif": "http://ns.adobe.com/exif/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
    }
    names = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in spaces.items())
    attributes = "" if elements else " ".join(f'{name}="{value}"' for name, value in values.items())
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in values.items()) if elements else ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {names} {attributes}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def iptc(day: str, clock: str) -> bytes:
    """IPTC's Date Created and Time Created."""
    fields = [(55, day), (60, clock)]
    return b"".join(
        b"\x1c\x02" + bytes([tag]) + struct.pack(">H", len(text)) + text.encode() for tag, text in fields if text
    )


def jpeg(metadata: Metadata, seed: int = 0, *, elements: bool = False) -> bytes:
    """A JPEG that tells this."""
    buffer = BytesIO()
    picture(seed).save(buffer, "JPEG", exif=exif(metadata))
    data = buffer.getvalue()
    segments = b""
    if packet := _packet(metadata, elements=elements):
        segments += _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
    if metadata.iptc:
        resource = iptc(*metadata.iptc)
        padded = resource + b"\0" * (len(resource) % 2)
        block = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(resource)) + padded
        segments += _segment(0xED, b"Photoshop 3.0\0" + block)
    # After the header and the EXIF, which have to come first.
    place = 2
    while data[place + 1] in (0xE0, 0xE1):
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data[:place] + segments + data[place:]


def png(metadata: Metadata, seed: int = 0) -> bytes:
    """A PNG that tells this; its XMP comes in a text."""
    texts = PngImagePlugin.PngInfo()
    if metadata.png:
        texts.add_text("Creation Time", metadata.png)
    if packet := _packet(metadata):
        texts.add_itxt("XML:com.adobe.xmp", packet.decode())
    buffer = BytesIO()
    picture(seed).save(buffer, "PNG", pnginfo=texts, **({"exif": block} if (block := exif(metadata)) else {}))
    return buffer.getvalue()


def webp(metadata: Metadata, seed: int = 0) -> bytes:
    """A WebP that tells this."""
    buffer = BytesIO()
    picture(seed).save(buffer, "WEBP", exif=exif(metadata), xmp=_packet(metadata))
    return buffer.getvalue()


def tiff(metadata: Metadata, seed: int = 0) -> bytes:
    """A TIFF that tells this, its EXIF in directories of its own."""
    made = TiffImagePlugin.ImageFileDirectory_v2()
    if packet := _packet(metadata):
        made.tagtype[700], made[700] = 1, packet
    if metadata.iptc:
        made.tagtype[33723], made[33723] = 7, iptc(*metadata.iptc)
    if metadata.modified:
        made[int(Base.DateTime)] = metadata.modified
    details = {int(Base.DateTimeOriginal): metadata.original, int(Base.DateTimeDigitized): metadata.digitized}
    if any(details.values()):
        made[int(IFD.Exif)] = {tag: text for tag, text in details.items() if text}
    if metadata.place is not None:
        made[int(IFD.GPSInfo)] = gps_directory(*metadata.place)
    buffer = BytesIO()
    picture(seed).save(buffer, "TIFF", tiffinfo=made)
    return buffer.getvalue()


def takeout(moment: datetime, place: Place | None = None, title: str = "IMG.jpg") -> str:
    """What Google Takeout writes beside a photo; `moment` is UTC."""
    latitude, longitude = place or (0.0, 0.0)
    return json.dumps(
        {
            "title": title,
            "photoTakenTime": {"timestamp": str(int(moment.replace(tzinfo=UTC).timestamp())), "formatted": "..."},
            "geoData": {"latitude": latitude, "longitude": longitude, "altitude": 0.0},
        }
    )


_WRITERS: Mapping[str, Callable[[Metadata, int], bytes]] = {".jpg": jpeg, ".png": png, ".webp": webp, ".tif": tiff}
# How cameras and programs write one moment, and some that are none.
_WRITTEN = (
    *("{:%Y:%m:%d %H:%M:%S}", "{:%Y-%m-%d %H:%M:%S}", "{:%Y/%m/%d %H:%M:%S}", "{:%Y:%m:%d %H:%M}"),
    *("{0:%Y}:{0.month:2}:{0.day:2} {0.hour:2}:{0.minute:2}:{0.second:2}", "{:%Y-%m-%dT%H:%M:%S+02:00}"),
    *("{:%Y:%m:%d 24:%M:%S}", "{:%Y:%m:%d %H:%M:60}", "0000:00:00 00:00:00", "    :  :     :  :  ", ""),
)
_ISO = (
    "{:%Y-%m-%dT%H:%M:%S}",
    "{:%Y-%m-%dT%H:%M:%S.25+02:00}",
    "{:%Y:%m:%d %H:%M:%S}",
    "{:%Y-%m-%d}",
    "{:%Y-%m}",
    "{:%Y}",
)
_NAMES = (
    *("IMG_{:%Y%m%d_%H%M%S}", "PXL_{:%Y%m%d_%H%M%S}123", "BURST{:%Y%m%d%H%M%S}789", "IMG-{:%Y%m%d}-WA0001"),
    *("Screenshot {:%Y-%m-%d at %H.%M.%S}", "{:%d.%m.%Y}", "P{:%Y%m%d_%H%M%S}", "WP_{:%Y%m%d}_001", "photo {}"),
)
_FOLDERS = ("", "{:%Y-%m} Italy", "{:%Y/%m/%d}", "{:%B %Y}", "Photos from {:%Y}", "DCIM/100CANON")


def make(folder: Path, seed: int = 13) -> list[Path]:
    """Writes the photos and what lies beside them; the same ones for a seed. Returns the photos."""
    chance = random.Random(seed)
    written = [_put(folder / name, data) for name, data in _by_hand()]
    for number, (suffix, _) in enumerate(itertools.product(_WRITERS, range(80))):
        written.append(_put_random(folder, number, suffix, chance))
    return written


def _put_random(folder: Path, number: int, suffix: str, chance: random.Random) -> Path:
    def moment() -> datetime:
        return datetime(1996, 1, 1) + timedelta(seconds=chance.randrange(29 * 365 * 86_400))

    def written(ways: tuple[str, ...], likely: float) -> str:
        return chance.choice(ways).format(moment()) if chance.random() < likely else ""

    def place() -> Place:
        return round(chance.uniform(-80, 80), 4), round(chance.uniform(-170, 170), 4)

    names = (
        "exif:DateTimeOriginal",
        "photoshop:DateCreated",
        "exif:DateTimeDigitized",
        "xmp:CreateDate",
        "xmp:ModifyDate",
    )
    properties = {name: text for name in names if (text := written(_ISO, 0.3))}
    created = moment()
    metadata = Metadata(
        original=written(_WRITTEN, 0.4),
        digitized=written(_WRITTEN, 0.3),
        modified=written(_WRITTEN, 0.6),
        xmp=properties if chance.random() < 0.6 else None,
        iptc=(f"{created:%Y%m%d}", f"{created:%H%M%S}+0200") if chance.random() < 0.3 else None,
        png=written(("{:%Y:%m:%d %H:%M:%S}", "{:%a, %d %b %Y %H:%M:%S +0200}", "{:%Y-%m-%dT%H:%M:%S}"), 0.5),
        place=place() if chance.random() < 0.4 else None,
        references=chance.random() < 0.7,
        xmp_place=_xmp_place(place()) if chance.random() < 0.3 else None,
    )
    inside = folder / f"{number:03}" / chance.choice(_FOLDERS).format(moment())
    path = _put(inside / (chance.choice(_NAMES).format(moment()) + suffix), _WRITERS[suffix](metadata, number))
    if chance.random() < 0.2:
        beside = path.with_name(path.name + chance.choice((".json", ".supplemental-metadata.json", ".suppl.json")))
        beside.write_text(takeout(moment(), place() if chance.random() < 0.5 else None, path.name), encoding="utf-8")
    if chance.random() < 0.2:
        sidecar = chance.choice((path.with_name(path.name + ".xmp"), path.with_suffix(".xmp")))
        sidecar.write_bytes(xmp({"exif:DateTimeOriginal": chance.choice(_ISO).format(moment())}, elements=True))
    return path


def _by_hand() -> Iterator[tuple[str, bytes]]:
    """Names and contents of photos of single kinds, which a reader of the folder recognises."""
    for number, way in enumerate(_WRITTEN):
        text = way.format(datetime(2019, 7, 4, 9, 5, 3))
        yield f"exif/original-{number}.jpg", jpeg(Metadata(original=text), number)
        yield f"exif/digitized-{number}.jpg", jpeg(Metadata(digitized=text, modified="2023:01:01 10:00:00"), number)
    for number, way in enumerate(_ISO):
        text = way.format(datetime(2019, 7, 4, 9, 5, 3))
        for suffix, writer in _WRITERS.items():
            yield f"xmp/{number}{suffix}", writer(Metadata(xmp={"photoshop:DateCreated": text}), number)
        yield f"xmp/elements-{number}.jpg", jpeg(Metadata(xmp={"exif:DateTimeOriginal": text}), number, elements=True)
    for number, default in enumerate(("1970:01:01 00:00:00", "1980:01:01 00:12:00", "2002:12:08 12:00:00")):
        yield f"clock/{number}.jpg", jpeg(Metadata(original=default), number)
        yield f"clock/changed-{number}.jpg", jpeg(Metadata(original=default, modified="2014:05:06 07:08:09"), number)
    yield "place/no-references.jpg", jpeg(Metadata(place=(48.1372, 11.5756), references=False))
    yield "place/south-west.jpg", jpeg(Metadata(place=(-33.4489, -70.6693)))
    yield "place/nowhere.jpg", jpeg(Metadata(place=(0.0, 0.0)))
    yield "place/xmp.jpg", jpeg(Metadata(xmp_place=("33,26.934S", "70,40,9.5W")))
    yield "place/both.jpg", jpeg(Metadata(place=(48.1372, 11.5756), xmp_place=("33,26.934S", "70,40,9.5W")))


def _xmp_place(place: Place) -> tuple[str, str]:
    parts = []
    for value, letters in zip(place, ("NS", "EW"), strict=True):
        degrees, minutes = divmod(abs(value) * 60, 60)
        parts.append(f"{int(degrees)},{minutes:.4f}{letters[value < 0]}")
    return parts[0], parts[1]


def _packet(metadata: Metadata, *, elements: bool = False) -> bytes:
    values = dict(metadata.xmp or {})
    if metadata.xmp_place:
        values.update(zip(("exif:GPSLatitude", "exif:GPSLongitude"), metadata.xmp_place, strict=True))
    return xmp(values, elements=elements) if values else b""


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def _put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    print(f"{len(make(Path(sys.argv[1])))} photos")
