"""What --after and --before take for a date: 2019, "june 2020", 2021-05-03, "3 weeks ago", "the 90s".

Each names the moment its period begins, local time. So `--after 2019 --before 2020` is the year 2019 and nothing else.
The words are those of the dialogue (`language.rules.moments`); only months of other languages are read here besides.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import datetime

from dar_tui.language.rules.dates import backwards
from dar_tui.language.rules.moments import MONTH, Moments
from dar_tui.language.when import Hemisphere
from indexer.errors import UsageError
from indexer.printable import visible

# From the first photograph on.
YEARS = range(1826, 2101)
_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})(?:[T ](\d{1,2}):(\d\d)(?::(\d\d))?)?)?)?"
)
_WEEK = re.compile(r"(?P<year>\d{4})-?[Ww](?P<week>\d{1,2})")
_DOTS = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})")
_DAY_OF_MONTH = re.compile(
    rf"\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{MONTH}(?:,? \d{{4}})?|{MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?",
    re.IGNORECASE,
)
# What of a moment is not written.
_EARLIEST = (0, 1, 1, 0, 0, 0)
_SLASHES = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_NAMED_MONTH = re.compile(r"(?:\d{1,2}\.? (?:de )?)?[^\W\d_]{3,}\.? (?:de )?\d{4}")
_HINT = 'Write it like 2019, 2019-07, 2019-07-04, "june 2020", "the 90s" or "2 weeks ago".'


def parse_date(text: str, option: str, now: datetime, hemisphere: Hemisphere = Hemisphere.NORTH) -> datetime:
    """The naive local time at which what `text` names begins. Raises UsageError, naming the option."""
    text = " ".join(text.split())
    if slashes := _SLASHES.fullmatch(text):
        raise _of_slashes(text, option, *map(int, slashes.groups()))
    found = _figures(text) if _MOMENT.fullmatch(text) else Moments(now, hemisphere).begins(text)
    if found is None and _NAMED_MONTH.fullmatch(text):
        found = _foreign(text)
    if found is None or found.year not in YEARS:
        why = (
            _fault(text, Moments(now, hemisphere))
            if found is None
            else f"years from {YEARS[0]} to {YEARS[-1]} are read"
        )
        raise UsageError(f"{option} {visible(text)!r} is not a date{': ' if why else ''}{why}.", _HINT)
    return found


def _fault(text: str, moments: Moments) -> str:
    """Which part of a text that is no date was not understood; "" where nothing of it was."""
    if backwards(text, moments.now):
        return "it ends before it begins, and one moment is needed"
    if figures := _MOMENT.fullmatch(text) or _WEEK.fullmatch(text) or _DOTS.fullmatch(text):
        return _no_such(figures)
    if _DAY_OF_MONTH.fullmatch(text):
        return "there is no such day"
    said = text.split()
    for size in range(len(said) - 1, 0, -1):
        for start in range(len(said) - size + 1):
            if moments.begins(" ".join(said[start : start + size])) is not None:
                rest = [" ".join(said[:start]), " ".join(said[start + size :])]
                return " and ".join(repr(visible(part)) for part in rest if part) + " was not understood"
    return ""


def _no_such(figures: re.Match[str]) -> str:
    """Which number of a date in figures there is not."""
    said = figures.groupdict()
    year = int(said["year"])
    if year not in YEARS:
        return f"years from {YEARS[0]} to {YEARS[-1]} are read"
    if "week" in said:
        return f"{year} has no week {said['week']}"
    month = int(said["month"])
    if not 1 <= month <= 12:
        return f"there is no month {said['month']}"
    if not 1 <= int(said["day"] or 1) <= monthrange(year, month)[1]:
        return f"{year}-{month:02} has no day {said['day']}"
    return "there is no such time of day"


def _figures(text: str) -> datetime | None:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (
        int(part or default) for part, default in zip(match.groups(), _EARLIEST, strict=True)
    )
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _of_slashes(text: str, option: str, one: int, two: int, year: int) -> UsageError:
    """Half the world writes the day first and half the month: a guess would filter by the wrong day in silence."""
    days = []
    for month, day in dict.fromkeys(((one, two), (two, one))):
        try:
            days.append(f"{datetime(year, month, day):%Y-%m-%d}")
        except ValueError:
            continue
    if not days:
        return UsageError(f"{option} {text!r} is not a date: there is no such day.", _HINT)
    return UsageError(f"{option} {text!r}: dates with slashes are not read.", f"Write it as {' or '.join(days)}.")


def _foreign(text: str) -> datetime | None:
    """A month by its name in another language. Asked for nothing else: dateparser guesses a date from most words."""
    import dateparser  # type: ignore[import-untyped]

    found: datetime | None = dateparser.parse(
        text,
        settings={
            "PARSERS": ["absolute-time"],
            "REQUIRE_PARTS": ["month", "year"],
            "PREFER_DAY_OF_MONTH": "first",
            "DATE_ORDER": "DMY",
            "RETURN_AS_TIMEZONE_AWARE": False,
        },
    )
    return found
