"""When and where a photo was taken, as values: how far a date is known, and which of several claims is to be trusted.

Knows dates as text and the order of trust. Reads no file and no picture: `metadata` reads a photo's bytes, `file_facts`
its name, folders and sidecars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from indexer.photos.written import NOTHING_WRITTEN, Written
from indexer.printable import stripped

RULES = 1
"""The version of the rules in this module, `metadata` and `file_facts`: libraries read facts again when it grows."""

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
    """What is known of a photo's making, and what was written about it.

    `latitude`, `longitude`: degrees, north and east positive; both or none. `camera`: "Make Model" or "".
    """

    taken: Taken | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str = ""
    written: Written = NOTHING_WRITTEN

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
    written: Written = NOTHING_WRITTEN


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
