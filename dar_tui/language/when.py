"""The days a phrase of time can mean: "in June 2020", "last summer", "two years ago", "at Christmas".

Knows calendars, seasons and holidays; the day of speaking is given, never asked of the clock. Does not search a text
for such phrases (`language.rules.dates` does) and does not know photos.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class Hemisphere(StrEnum):
    """Where "summer" is June to September (north) or December to March (south)."""

    NORTH = "north"
    SOUTH = "south"


def hemisphere_of(setting: str, is_southern: Callable[[], bool]) -> Hemisphere:
    """The hemisphere that `setting` names; for "auto" the library is asked where its photos were taken."""
    if setting == "auto":
        return Hemisphere.SOUTH if is_southern() else Hemisphere.NORTH
    return Hemisphere(setting)


@dataclass(frozen=True)
class Days:
    """A stretch of days, `first` and `last` both in it; None is open on that side."""

    first: date | None
    last: date | None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)

    def __str__(self) -> str:
        if self.first is None:
            return f"until {self.last}" if self.last else "any day"
        if self.last is None:
            return f"from {self.first} on"
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    def widened(self, days: int) -> Days:
        """The stretch with `days` more at either end."""
        return Days(_shift(self.first, -days), _shift(self.last, days))


@dataclass(frozen=True)
class EveryYear:
    """The same days in every year, as (month, day) pairs, both in it; it may run over New Year (December to March)."""

    first: tuple[int, int]
    last: tuple[int, int]

    def __contains__(self, day: date) -> bool:
        at = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= at <= self.last
        return at >= self.first or at <= self.last

    def __str__(self) -> str:
        first, last = (f"{month:02}-{day:02}" for month, day in (self.first, self.last))
        return f"{first} of any year" if first == last else f"{first} to {last} of any year"

    def in_year(self, year: int) -> Days:
        """The stretch that starts in `year`."""
        after = year + (self.first > self.last)
        return Days(_day(year, *self.first), _day(after, *self.last))

    def widened(self, days: int) -> EveryYear:
        """The stretch with `days` more at either end. Counted in a leap year, so that the 29th of February is in it."""
        first = date(2024, *self.first) - timedelta(days)
        last = date(2024, *self.last) + timedelta(days)
        return EveryYear((first.month, first.day), (last.month, last.day))


Span = Days | EveryYear


@dataclass(frozen=True)
class When:
    """What a phrase says of the day a photo was taken: one of `spans`, or none of them where it is `excluded`."""

    phrase: str
    spans: tuple[Span, ...]
    excluded: bool = False

    def holds(self, day: date) -> bool:
        """Whether a photo of that day fits."""
        return any(day in span for span in self.spans) is not self.excluded

    def may_hold(self, first: date, last: date) -> bool:
        """Whether a photo taken on one of these days, nobody knows which, may fit."""
        return any(self.holds(first + timedelta(at)) for at in range((last - first).days + 1))

    @property
    def understood(self) -> str:
        """The phrase and the days it was taken for, in words; of many stretches (every Easter) the last one."""
        spans = [str(span) for span in self.spans]
        days = " or ".join(spans) if len(spans) < 4 else f"{spans[-1]} and {len(spans) - 1} stretches before"
        return f"{self.phrase.strip()}: {'not ' if self.excluded else ''}{days}"

    def bounds(self) -> Days:
        """The one stretch that holds every fitting day, for a range query; open where there is none."""
        if self.excluded or not all(isinstance(span, Days) for span in self.spans):
            return Days(None, None)
        stretches = [span for span in self.spans if isinstance(span, Days)]
        firsts = [span.first for span in stretches]
        lasts = [span.last for span in stretches]
        return Days(
            None if None in firsts else min(first for first in firsts if first is not None),
            None if None in lasts else max(last for last in lasts if last is not None),
        )

    def clashes(self, other: When) -> bool:
        """Whether no day can fit both: then the one said last counts."""
        if self.excluded or other.excluded:
            return False
        return not any(_overlap(one, two) for one in self.spans for two in other.spans)


# Seasons by months and by sun differ by three weeks. A filter that is too narrow hides the photo, so each takes both.
_NORTH = {
    "spring": EveryYear((3, 1), (6, 21)),
    "summer": EveryYear((6, 1), (9, 22)),
    "autumn": EveryYear((9, 1), (12, 21)),
    "winter": EveryYear((12, 1), (3, 20)),
}
_OPPOSITE = {"spring": "autumn", "summer": "winter", "autumn": "spring", "winter": "summer"}
# The month a season is over in speech: in October "last summer" is this year's, on the 10th of September too.
_SEASON_OVER = {(3, 1): 6, (6, 1): 9, (9, 1): 12, (12, 1): 3}

# The days on which such photos are taken, from the first decorations to the last, not the feast alone.
_HOLIDAYS = {
    "christmas eve": EveryYear((12, 23), (12, 25)),
    "christmas": EveryYear((12, 15), (1, 6)),
    "xmas": EveryYear((12, 15), (1, 6)),
    "new year": EveryYear((12, 30), (1, 2)),
    "valentine's day": EveryYear((2, 13), (2, 15)),
    "halloween": EveryYear((10, 25), (11, 2)),
    "thanksgiving": EveryYear((11, 21), (11, 29)),
    "independence day": EveryYear((7, 3), (7, 5)),
}


def season(name: str, hemisphere: Hemisphere) -> EveryYear:
    """A season's days. `name` is spring, summer, autumn, fall or winter."""
    name = "autumn" if name == "fall" else name
    return _NORTH[name if hemisphere is Hemisphere.NORTH else _OPPOSITE[name]]


def holiday(name: str) -> EveryYear | None:
    """A fixed holiday's days; None for Easter, which moves (`easter`), and for names not known."""
    name = name.replace("\u2019", "'")
    if name.startswith("new year"):
        name = "new year"
    elif name.startswith("valentine"):
        name = "valentine's day"
    return _HOLIDAYS.get(name)


def easter_sunday(year: int) -> date:
    """Easter Sunday of the western churches."""
    # Imported where it is used: most messages hold no Easter.
    from dateutil.easter import easter as sunday  # type: ignore[import-untyped]

    found: date = sunday(year)
    return found


def easter(year: int) -> Days:
    """The days around Easter Sunday of the year, Holy Thursday to the Tuesday after."""
    sunday = easter_sunday(year)
    return Days(sunday - timedelta(3), sunday + timedelta(2))


def year_of(year: int) -> Days:
    """The whole year."""
    return Days(date(year, 1, 1), date(year, 12, 31))


def month_of(year: int, month: int) -> Days:
    """The whole month."""
    return Days(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))


def every_month(month: int) -> EveryYear:
    """The month in any year."""
    return EveryYear((month, 1), (month, calendar.monthrange(2024, month)[1]))


def last_of(span: EveryYear, now: date) -> Days:
    """The latest yearly stretch that was over on the day `now`: what "last summer" or "last June" means."""
    over = _SEASON_OVER.get(span.first) if span in _NORTH.values() else None
    for year in range(now.year, now.year - 3, -1):
        days = span.in_year(year)
        end = days.last
        if over is not None and end is not None:
            end = date(end.year, over, 1) - timedelta(1)
        if end is not None and end < now:
            return days
    return span.in_year(now.year - 2)


def this(span: EveryYear, now: date) -> Days:
    """The yearly stretch that is on or was the last to begin: what "this summer" means of a photo already taken."""
    days = span.in_year(now.year)
    return days if days.first is not None and days.first <= now else span.in_year(now.year - 1)


def _overlap(one: Span, two: Span) -> bool:
    if isinstance(one, Days) and isinstance(two, Days):
        latest_first = max(one.first or date.min, two.first or date.min)
        return latest_first <= min(one.last or date.max, two.last or date.max)
    if isinstance(one, EveryYear):
        one, two = two, one
    if isinstance(one, EveryYear):
        return any(day in one and day in two for day in _a_leap_year())
    if one.first is None or one.last is None or (one.last - one.first).days >= 366:
        return True
    return any(one.first + timedelta(at) in two for at in range((one.last - one.first).days + 1))


def _a_leap_year() -> Iterator[date]:
    return (date(2024, 1, 1) + timedelta(at) for at in range(366))


def _day(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _shift(day: date | None, days: int) -> date | None:
    return None if day is None else day + timedelta(days)
