"""When and where a photo was taken by what its file says: its name, its folders, and the files beside it.

Sidecars are Google Takeout's .json files and XMP. A date that is not clearly one is none: names also hold telephone
numbers, sizes, ids and counters. Dates come as `facts.Taken` has them: the beginning of an ISO 8601 date, as much as
the name tells. Knows nothing of what the photo's own bytes say.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from indexer.photos.facts import (
    DAY,
    MONTH,
    RULES,
    SECOND,
    YEAR,
    YEARS,
    FileFacts,
    Taken,
    best_taken,
    checked_position,
    iso_taken,
)

# A bare run of eight digits is more often a number than a date from before digital cameras named files.
from indexer.photos.metadata import MAX_PACKET_BYTES, properties, xmp_claims, xmp_position

# A bare run of eight digits is more often a number than a date from before digital cameras named files.
_COMPACT_FROM = 1990
# A folder that is called by a year alone was hardly made for photos older than this.
_LONE_FROM = 1900
# What programs put before a date without a mark between.
_PREFIXES = frozenset(
    {
        *("", "img", "vid", "dsc", "pxl", "pano", "burst", "mvimg", "p", "c", "wp", "cimg", "pic", "image", "photo"),
        *("screenshot", "scr", "mov", "movie", "video", "camera", "date", "signal", "t"),
    }
)

# The time after a date: "_123456", "-123456789" (with milliseconds), "T12:34:56", " at 3.00.00 PM", " 12h34m56".
# Neither three digits, which count photos (WP_20140704_001), nor four without a mark.
_TIME = r"""
    (?: (?: [ _.T,-]{1,3} | [ _]at[ _] )
        (?: (?P<joined>\d{6}) (?: [-_.]?\d{3} )? (?!\d)
          | (?P<hour>[012]?\d) (?P<mark>[-_.:h]) (?P<minute>[0-5]\d) (?: [-_.:m] (?P<second>[0-5]\d) )
            (?: [-_.]?\d{3} )? (?: \s?(?P<half>[AaPp])[Mm] )? (?!\d)
          | (?P<hour2>[012]\d|\d(?=[.:]\d\d\s?[AaPp][Mm])) [-.:h] (?P<minute2>[0-5]\d) (?: \s?(?P<half2>[AaPp])[Mm] )?
            (?!\d|[-.:]\d)
    ) )?
"""
# No digits and the same mark before it: that would be part of a longer number, such as a telephone's.
_APART = r"(?<!\d)(?<!\d-)(?<!\d\.)"
_SEPARATED = re.compile(
    _APART + r"(?P<year>\d{4})(?P<between>[-_. ])(?P<month>\d\d)(?P=between)(?P<day>\d\d)(?!\d|[x\xd7]\d)" + _TIME,
    re.VERBOSE,
)
_SINGLE_DIGITS = re.compile(
    _APART
    + r"(?P<year>\d{4})(?P<between>[-.])(?P<month>\d\d?)(?P=between)(?P<day>\d\d?)(?!\d|\.\d|-\d|[x\xd7]\d)"
    + _TIME,
    re.VERBOSE,
)
_DAY_FIRST = re.compile(
    _APART
    + r"(?P<day>\d\d?)(?P<between>[-_.])(?P<month>\d\d?)(?P=between)(?P<year>\d{4})(?!\d|\.\d|[x\xd7]\d)"
    + _TIME,
    re.VERBOSE,
)
_COMPACT = re.compile(
    r"(?<!\d)(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
    r"(?: (?P<close>\d{6})(?:\d{3})?(?!\d) | (?![0-9A-SU-Za-z\xd7]) )" + _TIME,
    re.VERBOSE,
)
# What Facebook and WeChat name photos by: the milliseconds since 1970 when they saved them.
_EPOCH = re.compile(r"(?:FB_IMG_|mmexport|wx_camera_|microMsg\.)(\d{13})(?!\d)", re.IGNORECASE)
# A telephone number's beginning, just before what looks like a date: "+49 ", "0176-".
_TELEPHONE = re.compile(r"(?:\+\d{1,3}|(?<!\d)0[1-9]\d{1,4})[ ./-]?$")
_LETTERS = re.compile(r"[A-Za-z]*$")
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


def date_in_name(filename: str | bytes) -> str:
    """The date, and time if there is one, that a file's name states (with or without folders); "" if none clearly.

    Reads what phones, cameras, messengers and screenshot tools write, and what people do: IMG_20190704_123456,
    IMG-20190704-WA0001, "2019-07-04 12.00.00", "Screenshot 2019-07-04 at 3.00.00 PM", 2019-7-4, 04.07.2019.
    """
    name = os.path.basename(os.fsdecode(filename))  # noqa: PTH119 - works on names that are not valid text
    epoch = _EPOCH.search(name)
    if epoch is not None:
        text = (datetime(1970, 1, 1) + timedelta(milliseconds=int(epoch[1]))).isoformat()[:SECOND]
        return text if _is_past(text, _COMPACT_FROM) else ""
    return next(_dates(name), "")


def date_in_folders(path: str | bytes) -> str:
    """The date by the folders that a file lies in; "" if there is none.

    The nearest folder that has one decides, and those around it give what it leaves open: "2017-08 Italy",
    "14 August 2017", "2017/08/14", "Photos from 2017". Folders that say what programs did (backups,
    exports) mean nothing for photos.
    """
    return _date_in(os.fsdecode(path).rpartition("/")[0])


# One folder's photos come one after the other, a few folders at a time.
@lru_cache(maxsize=256)
def _date_in(folder: str) -> str:
    parts = folder.split("/")
    found = ""
    for place in range(len(parts), 0, -1):
        text = _folder_date(parts[:place])
        if len(text) > len(found) and text.startswith(found):
            found = text
    return found


def _dates(name: str) -> Iterator[str]:
    """All dates in a name, the clearest kind first."""
    for pattern, first_year in (
        (_SEPARATED, YEARS.start),
        (_SINGLE_DIGITS, YEARS.start),
        (_COMPACT, _COMPACT_FROM),
        (_DAY_FIRST, YEARS.start),
    ):
        for match in pattern.finditer(name):
            before = name[: match.start()]
            if _TELEPHONE.search(before) or (pattern is _COMPACT and not _may_begin(before)):
                continue
            text = _date_of(match)
            if text and _is_past(text, first_year):
                yield text


def _may_begin(before: str) -> bool:
    """Whether a run of digits may be a date after this: hashes and ids hold digits between letters."""
    letters = _LETTERS.search(before)
    run = letters[0] if letters else ""
    rest = before[: len(before) - len(run)]
    return run.lower() in _PREFIXES and not (run and rest[-1:].isalnum())


def _date_of(match: re.Match[str]) -> str:
    parts = match.groupdict()
    year, month, day = int(parts["year"]), int(parts["month"]), int(parts["day"])
    if match.re is _DAY_FIRST:
        # Only between dots is the day known to come first; otherwise one of the two has to be too large for a month.
        if parts["between"] != "." and (day > 12) == (month > 12):
            return ""
        if month > 12:
            month, day = day, month
    try:
        moment = datetime(year, month, day)
    except ValueError:
        return ""
    close = parts.get("close")
    if joined := close or parts["joined"]:
        hour, minute, second = int(joined[:2]), int(joined[2:4]), int(joined[4:])
    elif given := parts["hour"] or parts["hour2"]:
        hour, minute, second = int(given), int(parts["minute"] or parts["minute2"]), int(parts["second"] or 0)
    else:
        return moment.isoformat()[:DAY]
    if (half := parts["half"] or parts["half2"]) and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half in "pP" else 0)
    try:
        return moment.replace(hour=hour, minute=minute, second=second).isoformat()
    except ValueError:
        # Eight digits, then six that are no time: an id. A date set apart by marks stands on its own.
        return "" if close else moment.isoformat()[:DAY]


def _is_past(text: str, first_year: int) -> bool:
    """Whether a photo can be from then: a name with a date to come counts, or names, something else."""
    return first_year <= int(text[:YEAR]) and text[:DAY] <= (datetime.now(UTC) + timedelta(days=1)).isoformat()[:DAY]


# Folders

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAME = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_YEAR_MONTH = re.compile(r"(?<![\d.-])(?P<year>\d{4})[-_. ](?P<month>\d\d)(?![\d.-]|[x\xd7]\d)")
_MONTH_YEAR = re.compile(r"(?<![\d.-])(?P<month>\d\d)[-_.](?P<year>\d{4})(?![\d.-]|[x\xd7]\d)")
_COMPACT_MONTH = re.compile(r"^(?P<year>\d{4})(?P<month>\d\d)(?=$|[ _-])")
_NAMED = (
    re.compile(rf"(?:(?<!\d)(?P<day>\d\d?)\.?[ _-]+)?\b{_MONTH_NAME}[.,]?[ _-]*(?P<year>\d{{4}})(?!\d)", re.IGNORECASE),
    re.compile(rf"(?<!\d)(?P<year>\d{{4}})[ _-]+{_MONTH_NAME}(?![a-z])(?:[ _-]+(?P<day>\d\d?)(?!\d))?", re.IGNORECASE),
    re.compile(rf"\b{_MONTH_NAME}[ _-]+(?P<day>\d\d?),?[ _-]+(?P<year>\d{{4}})(?!\d)", re.IGNORECASE),
)
_LONE_YEAR = re.compile(r"^(\d{4})(?=$|[ _-](?!\d))|(?<=[A-Za-z,] )(\d{4})$")
# "08", "08 August" and "08-Italy" in a folder of the year; "14" and "14 beach" in one of the month.
_INNER = re.compile(r"^(\d\d)(?=$|[ _-]+[^\d\W])")
_NOT_OF_PHOTOS = re.compile(
    r"back-?ups?|export|import|upload|download|takeout|sync|recover|restor|archive", re.IGNORECASE
)


def _folder_date(parts: list[str]) -> str:
    name = parts[-1]
    if _NOT_OF_PHOTOS.search(name):
        return ""
    if days := sorted({text[:DAY] for text in _dates(name)}):
        # "2017-08-14 to 2017-08-20": sometime between.
        sizes = [size for size in (DAY, MONTH, YEAR) if days[0][:size] == days[-1][:size]]
        return days[0][: max(sizes, default=0)]
    for pattern, first_year in (
        *((named, YEARS.start) for named in _NAMED),
        (_YEAR_MONTH, YEARS.start),
        (_MONTH_YEAR, YEARS.start),
        (_COMPACT_MONTH, _COMPACT_FROM),
    ):
        if (match := pattern.search(name)) and (text := _month_of(match)) and _is_past(text, first_year):
            return text
    if inner := _INNER.match(name):
        around = _folder_date(parts[:-1]) if len(parts) > 1 else ""
        text = f"{around}-{inner[1]}"
        if len(around) in (YEAR, MONTH) and _is_date(text):
            return text
    if year := _LONE_YEAR.search(name):
        text = year[1] or year[2]
        return text if _is_past(text, _LONE_FROM) else ""
    return ""


def _month_of(match: re.Match[str]) -> str:
    parts = match.groupdict()
    month = _MONTHS.index(parts["name"][:3].lower()) + 1 if parts.get("name") else int(parts["month"])
    text = f"{parts['year']}-{month:02}"
    if day := parts.get("day"):
        text = f"{text}-{int(day):02}"
    return text if _is_date(text) else ""


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text + "0001-01-01"[len(text) :])
    except ValueError:
        return False
    return True


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
