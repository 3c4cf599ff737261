"""What lies beside a photo and is about it: Google Takeout's .json files and XMP sidecars; and, with them and its name,
what a file says of when and where the photo in it was taken.

Knows which names belong together and what is in them. Knows nothing of what the photo's own bytes say.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from indexer.photos.names import date_in_folders, date_in_name
from indexer.photos.taken import RULES, SECOND, YEARS, FileFacts, Taken, best_taken, checked_position, iso_taken
from indexer.photos.xmp import MAX_PACKET_BYTES, properties, xmp_claims, xmp_position

JSON, XMP = b".json", b".xmp"
SIDECAR_SUFFIXES = frozenset({JSON, XMP})
_MAX_JSON_BYTES = 1 << 20
# Takeout cuts the names of its files, before ".json", to this many characters.
_TAKEOUT_LENGTH = 46
_SUPPLEMENT = b".supplemental-metadata"
# What Google Photos appends to the name of a photo edited in it, by the language of the account. The original's file
# speaks for both.
_EDITED = tuple(
    f"-{word}".encode()
    for word in (
        *("edited", "effects", "bearbeitet", "modifié", "modifie", "editado", "editada", "modificato", "bewerkt"),
        *("edytowane", "redigerad", "redigeret", "redigert", "muokattu", "upraveno", "düzenlendi", "изменено"),
        *("編集済み", "已修改", "수정됨"),
    )
)
_NUMBERED = re.compile(rb"^(.*)(\(\d+\))(\.[^.]*)$", re.DOTALL)
# Time zones are whole quarters of an hour apart and lie from 12 hours west to 14 east.
_QUARTER, _MOST_WEST, _MOST_EAST = timedelta(minutes=15), timedelta(hours=-12), timedelta(hours=14)
# A name may be of the second in which the camera began, and Takeout's time of the one in which it ended.
_TOLERANCE = timedelta(seconds=2)


def sidecars_of(name: bytes, there: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """The names of the sidecars of the photo called `name`, Takeout's before XMP's.

    `there`: the .json and .xmp files of its folder, by their names in lower case.
    """
    lowered = name.lower()
    stem, suffix = os.path.splitext(lowered)  # noqa: PTH122 - pathlib takes no bytes
    takeout = next((there[each] for each in _takeout_names(stem, suffix) if each in there), None)
    # darktable and digiKam append to the photo's name, Adobe's programs replace its suffix; there may be both.
    beside = [there[each] for each in (lowered + XMP, stem + XMP) if each in there]
    return (*(() if takeout is None else (takeout,)), *beside)


def stamp_of(sidecars: Sequence[tuple[bytes, int, int]]) -> int:
    """A number, never 0, that changes when a photo's sidecars (name, size, time of last change) or the rules do."""
    return zlib.crc32(repr((RULES, *sidecars)).encode()) or 1


def read_file_facts(path: bytes, sidecars: Sequence[bytes] = (), stamp: int = 0) -> FileFacts:
    """What the file at this absolute path says of its photo, with the sidecars at theirs. Never raises."""
    takeout: _Sidecar | None = None
    beside: list[_Sidecar] = []
    for sidecar in sidecars:
        is_json = sidecar.lower().endswith(JSON)
        try:
            data = _content(sidecar, _MAX_JSON_BYTES if is_json else MAX_PACKET_BYTES)
        except FileNotFoundError:
            continue  # its going will show in the stamp
        except OSError:
            stamp = 0  # so that the next run reads it
            continue
        if not is_json:
            beside.append(_xmp(data))
        elif takeout is None:
            takeout = _takeout(data)
    claims = [
        *(taken for each in beside for taken in each.claims),
        *iso_taken("name", [date_in_name(path)]),
        *iso_taken("folder", [date_in_folders(path)]),
    ]
    if takeout is not None:
        claims += [_in_local_time(taken, claims, takeout.longitude) for taken in takeout.claims]
    places = [each for each in (takeout, *beside) if each is not None and each.latitude is not None]
    latitude, longitude = (places[0].latitude, places[0].longitude) if places else (None, None)
    return FileFacts(best_taken(claims), latitude, longitude, stamp)


def _takeout_names(stem: bytes, suffix: bytes) -> Iterator[bytes]:
    """What Takeout may have called the file about a photo of this name, the likeliest first. All in lower case."""
    numbered = _NUMBERED.match(stem + suffix)
    yield from _about(stem + suffix)
    if numbered:
        # IMG.jpg(1).json is about IMG(1).jpg.
        yield from _about(numbered[1] + numbered[3], numbered[2])
    if stem.endswith(_EDITED):
        whole = next(stem.removesuffix(edited) for edited in _EDITED if stem.endswith(edited))
        yield from _takeout_names(whole, suffix)
    elif numbered and numbered[1].endswith(_EDITED):
        whole = next(numbered[1].removesuffix(edited) for edited in _EDITED if numbered[1].endswith(edited))
        yield from _takeout_names(whole + numbered[2], suffix)
    # A photo that Google named without a suffix, or converted.
    yield stem + JSON


def _about(name: bytes, number: bytes = b"") -> Iterator[bytes]:
    yield name + number + JSON
    whole = name + _SUPPLEMENT
    for length in range(len(whole), min(len(name), _TAKEOUT_LENGTH) - 1, -1):
        yield whole[:length] + number + JSON
    # Names are cut by characters, which these bytes may be several of.
    if not whole.isascii():
        yield (
            whole.decode("utf-8", "surrogateescape")[:_TAKEOUT_LENGTH].encode("utf-8", "surrogateescape")
            + number
            + JSON
        )


@dataclass(frozen=True)
class _Sidecar:
    """What one sidecar says."""

    claims: tuple[Taken, ...] = ()
    latitude: float | None = None
    longitude: float | None = None


def _content(path: bytes, most: int) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        data = file.read(most + 1)
    return data if len(data) <= most else b""


def _xmp(data: bytes) -> _Sidecar:
    xmp = properties(data)
    # Of a sidecar this is not when it was made: those who write it mean the photo.
    claims = [*xmp_claims(xmp, "sidecar"), *iso_taken("sidecar", [xmp.get("xmp:CreateDate")])]
    return _Sidecar(tuple(claims), *xmp_position(xmp))


def _takeout(data: bytes) -> _Sidecar:
    try:
        content = json.loads(data)
        seconds = float(content["photoTakenTime"]["timestamp"])
        moment = datetime(1970, 1, 1) + timedelta(seconds=int(seconds))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return _Sidecar()
    claims = (Taken(moment.isoformat()[:SECOND], "takeout"),) if moment.year in YEARS else ()
    for part in ("geoData", "geoDataExif"):
        latitude, longitude = checked_position(*(_number(content.get(part), key) for key in ("latitude", "longitude")))
        if latitude is not None:
            return _Sidecar(claims, latitude, longitude)
    return _Sidecar(claims)


def _number(part: Any, key: str) -> float | None:
    value = part.get(key) if isinstance(part, dict) else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _in_local_time(taken: Taken, others: Sequence[Taken], longitude: float | None) -> Taken:
    """Takeout's moment, which is UTC, on the clock where the photo was taken: as another date of the file has it that
    is whole time zones away, else by the sun's time there, else unchanged."""
    for other in others:
        apart = other.moment - taken.moment
        nearest = round(apart / _QUARTER) * _QUARTER
        if len(other.text) == SECOND and _MOST_WEST <= nearest <= _MOST_EAST and abs(apart - nearest) <= _TOLERANCE:
            return Taken((taken.moment + nearest).isoformat(), taken.source)
    hours = 0 if longitude is None else round(longitude / 15)
    return Taken((taken.moment + timedelta(hours=hours)).isoformat(), taken.source)
