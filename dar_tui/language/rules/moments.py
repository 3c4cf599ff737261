"""A point in time as people name it ("June 2020", "last summer", "the nineties", "two years ago") -> days.

Knows the names and the day of speaking. Finding such names in a message is `dates`; `--after` and `--before` read
theirs here too (`Moments.begins`). What counts as which days:

- "1 year ago", "3 weeks ago": as a moment the same day that many calendar months, weeks or days before; as a period the
  unit's own year or month and half a unit either side of that day.
- 04.07.2019 is 4 July: dates with dots are written day first everywhere. 07/04/2019 is written both ways, so a dialogue
  takes either day, and an option refuses it and asks for 2019-07-04.
- Easter without a year is any of them; "before Easter" and "since Easter" count from the last one that has begun, as an
  option does.
- 2019-W05 is an ISO week, Monday to Sunday; Q3 2020 is July to September; winter 2018/19 begins in 2018.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from dar_tui.language.rules.words import NUMBERS
from dar_tui.language.when import (
    Days,
    EveryYear,
    Hemisphere,
    Span,
    easter,
    easter_sunday,
    every_month,
    holiday,
    last_of,
    month_of,
    season,
    this,
    year_of,
)

MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
MONTH = rf"(?:{MONTHS})\b\.?"
SEASON = r"(?:spring|summer|autumn|fall|winter)"
HOLIDAY = (
    r"(?:christmas eve|christmas|xmas|easter|halloween|thanksgiving|independence day|valentine['\u2019]?s(?: day)?"
    r"|new year(?:['\u2019]?s)?(?: eve| day)?)"
)
# A number of four digits is a year unless something is counted with it: "in 2000 pieces".
YEAR = r"(?:19|20)\d\d(?!\d|[.,]\d|\s*(?:people|pieces|photos|pictures|times|m\b|km\b|euros?\b|dollars?\b|things))"
DECADE = (
    r"(?:the )?(?:(?:19|20)\d0['\u2019]?s|['\u2019]?[1-9]0['\u2019]?s"
    r"|(?:twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties))"
)
DAY = r"(?:\d{1,2}(?:st|nd|rd|th)?)"
WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
COUNT = (
    r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d{1,2}"
    r"|(?:a )?couple(?: of)?|(?:a )?few|several|some)"
)
UNIT = r"(?:day|week|month|year)"
NUMERIC = (
    r"(?:(?:19|20)\d\d-\d{1,2}-\d{1,2}|(?:19|20)\d\d-?W\d\d|(?:19|20)\d\d-\d\d(?![\d-])"
    r"|\d{1,2}\.\d{1,2}\.(?:19|20)\d\d|\d{1,2}/\d{1,2}/(?:19|20)\d\d)"
)
POINT = (
    rf"(?:(?:(?:the )?(?:early|late|mid)|the (?:beginning|start|middle|end) of|the)[ -])?(?:"
    rf"{NUMERIC}|{DAY} (?:of )?{MONTH}(?:,? {YEAR})?|{MONTH} {DAY}(?:,? {YEAR})?(?!\d)"
    rf"|{MONTH},? (?:of )?{YEAR}"
    rf"|q[1-4],? (?:of )?{YEAR}|{SEASON},? (?:of )?{YEAR}[/-]\d\d(?!\d)"
    rf"|{SEASON},? (?:of )?{YEAR}|{HOLIDAY},? (?:of )?{YEAR}|{DECADE}|{YEAR}|{MONTH}|{SEASON}|{HOLIDAY})"
)
AGO = rf"(?:about |around |some |maybe )?{COUNT} (?:{UNIT}|{SEASON})s? ago|yesterday|today|last {WEEKDAY}"
LAST = (
    r"(?:last|this|this past|the previous|previous) "
    rf"(?:year|month|week|weekend|{SEASON}|{HOLIDAY}|{MONTH})(?:['\u2019]s)?"
)
BESIDE = rf"(?:the |a )?(?:day|week|weekend|month) (?:before|after) (?:(?:the )?{POINT}|{LAST})"
_NAMED_DECADES = {
    "twenties": 1920, "thirties": 1930, "forties": 1940, "fifties": 1950, "sixties": 1960, "seventies": 1970,
    "eighties": 1980, "nineties": 1990,
}  # fmt: skip
_COUNTS = {"couple": (2, 3), "few": (2, 5), "several": (3, 8), "some": (2, 10)}
_EXACT = r"an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d{1,4}"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNIT_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}


@dataclass(frozen=True)
class Moments:
    """Reads points in time as said at `now`."""

    now: datetime
    hemisphere: Hemisphere

    def spans(self, phrase: str) -> tuple[Span, ...]:
        """The days of a point in time such as "June 2020", "last summer" or "the nineties"; () where unknown."""
        text = re.sub(r"(?<=\d0)'(?=s\b)", "", phrase.lower().replace("\u2019", "'").strip(" .'"))
        part = re.match(r"(?:the )?(early|late|mid|beginning|start|middle|end)(?: of)?[ -]", text)
        if part:
            return tuple(_part_of(span, part[1]) for span in self.spans(text[part.end() :]))
        if re.fullmatch(BESIDE, text):
            return self._beside(text)
        text = re.sub(r"^the (?=\w)|\b(?:of|in)\b ?|,", "", text).replace("  ", " ").removesuffix("'s")
        if text.startswith(("last ", "this ", "previous ")):
            return self._relative(text)
        if (numeric := _numeric(text)) is not None:
            return numeric
        if re.fullmatch(r"(?:19|20)\d\d", text):
            return (year_of(int(text)),)
        if (decade := _decade(text)) is not None:
            return (Days(date(decade, 1, 1), date(decade + 9, 12, 31)),)
        text = re.sub(rf"^({SEASON} \d{{4}})[/-]\d\d$", r"\1", text)
        year = re.search(r"\b(?:19|20)\d\d$", text)
        if year and (quarter := re.fullmatch(r"q([1-4]) \d{4}", text)):
            third = int(quarter[1]) * 3
            return (Days(month_of(int(year[0]), third - 2).first, month_of(int(year[0]), third).last),)
        name = text[: year.start()].strip() if year else text
        if yearly := self._yearly(name):
            # New Year's Day 2019 is the first of January, whose days begin in 2018; New Year's Eve 2019 ends that year.
            earlier = name.startswith("new year") and not name.endswith("eve")
            return (yearly.in_year(int(year.group()) - earlier) if year else yearly,)
        if name == "easter":
            years = [int(year.group())] if year else range(self.now.year - 60, self.now.year + 1)
            return tuple(easter(each) for each in years)
        return self._parsed(text)

    def _yearly(self, name: str) -> EveryYear | None:
        if re.fullmatch(SEASON, name):
            return season(name, self.hemisphere)
        if re.fullmatch(MONTHS, name.rstrip(".")):
            return every_month(_month(name))
        return holiday(name)

    def _relative(self, text: str) -> tuple[Span, ...]:
        text = text.replace("this past ", "last ").replace("previous ", "last ")
        which, _, name = text.rpartition(" ")
        today = self.now.date()
        current = which == "this"
        if name == "year":
            return (year_of(today.year - (not current)),)
        if name == "month":
            day = today if current else today.replace(day=1) - timedelta(1)
            return (month_of(day.year, day.month),)
        monday = today - timedelta(today.weekday())
        if name == "week":
            first = monday if current else monday - timedelta(7)
            return (Days(first, first + timedelta(6)),)
        if name == "weekend":
            saturday = monday - timedelta(2) if today.weekday() < 5 or not current else monday + timedelta(5)
            return (Days(saturday, saturday + timedelta(1)),)
        name = re.sub(r"^(?:last|this) ", "", text)
        if name == "easter":
            latest = [easter(year) for year in (today.year, today.year - 1)]
            return tuple(days for days in latest if days.first and days.first <= today)[:1]
        if yearly := self._yearly(name):
            return (this(yearly, today) if current else last_of(yearly, today),)
        return self._parsed(text)

    def recent(self, phrase: str) -> tuple[Span, ...]:
        """The days of "in the last two years", up to the day of speaking."""
        count = re.search(rf"({COUNT}) {UNIT}", phrase, re.IGNORECASE)
        unit = re.search(UNIT, phrase, re.IGNORECASE)
        vague = next((counts for word, counts in _COUNTS.items() if word in phrase.lower()), None)
        number = vague[1] if vague else _number(count[1]) if count else 1
        days = number * _UNIT_DAYS[unit.group().lower() if unit else "day"]
        return (Days(self.now.date() - timedelta(days), self.now.date()),)

    def begins(self, text: str) -> datetime | None:
        """The moment that a point in time begins, for an option; None where it is none or may be several.

        Of what comes every year ("December", "Easter") it is the latest that has begun.
        """
        text = text.lower().replace("\u2019", "'").strip()
        if ago := re.fullmatch(r"(?:an?|one|\d{1,4}) (?:hour|minute)s? ago|now", text):
            return self.now - _hours(ago.group())
        if (day := self._day_ago(text)) is not None:
            return datetime(day.year, day.month, day.day)
        if not re.fullmatch(rf"{POINT}|{LAST}|{AGO}|{BESIDE}", text, re.IGNORECASE):
            return None
        spans, today = self.spans(text), self.now.date()
        days = [this(span, today) if isinstance(span, EveryYear) else span for span in spans]
        firsts = [each.first for each in days if each.first is not None]
        if len(firsts) > 1:
            if not text.startswith("easter"):
                return None
            firsts = [max(first for first in firsts if first <= today)]
        return datetime(firsts[0].year, firsts[0].month, firsts[0].day) if firsts else None

    def _day_ago(self, text: str) -> date | None:
        today = self.now.date()
        if text in ("today", "yesterday"):
            return today - timedelta(text == "yesterday")
        found = re.fullmatch(rf"(?:about |around |some |maybe )?({_EXACT}) ({UNIT})s? ago", text)
        if not found:
            return None
        from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]

        try:
            day: date = today - relativedelta(**{f"{found[2]}s": _number(found[1])})
        except (ValueError, OverflowError):
            return None
        return day

    def _beside(self, text: str) -> tuple[Span, ...]:
        found = re.match(r"(?:the |a )?(day|week|weekend|month) (before|after) (?:the )?", text)
        if not found:
            return ()
        name, before = text[found.end() :], found[2] == "before"
        length = {"day": 1, "weekend": 7, "week": 7, "month": 31}[found[1]]
        if easters := re.fullmatch(r"easter(?:,? (?:of )?(\d{4}))?", name):
            years = [int(easters[1])] if easters[1] else range(self.now.year - 60, self.now.year + 1)
            return tuple(_neighbour(Days(day, day), length, before) for day in map(easter_sunday, years))
        return tuple(
            _neighbour(span, length, before)
            if isinstance(span, Days)
            # Of Christmas the feast is one day and the photos' days are twenty: the week before is in both.
            else span.widened(length)
            for span in self.spans(name)
        )

    def _parsed(self, text: str) -> tuple[Span, ...]:
        """Days counted back from now, days of a month, and weekdays; () for what is none."""
        if seasons := re.fullmatch(rf"(?:about |around |some |maybe )?({_EXACT}) ({SEASON})s? ago", text):
            span = season(seasons[2], self.hemisphere)
            latest = last_of(span, self.now.date()).first
            return (span.in_year(latest.year - _number(seasons[1]) + 1),) if latest else ()
        for word, (least, most) in _COUNTS.items():
            if re.match(rf"(?:a )?{word}\b.* ago", text):
                unit = re.search(UNIT, text)
                nearer, farther = (
                    self._parsed(f"{count} {unit.group()}s ago" if unit else "") for count in (least, most)
                )
                return from_to(farther, nearer)
        if (ago := self._day_ago(text)) is not None:
            unit = re.search(rf"({UNIT})s? ago$", text)
            return (_about(ago, unit[1]) if unit else Days(ago, ago),)
        if weekday := re.fullmatch(rf"last ({WEEKDAY})", text):
            back = (self.now.weekday() - _WEEKDAYS.index(weekday[1][:3]) - 1) % 7 + 1
            day = self.now.date() - timedelta(back)
            return (Days(day, day),)
        named = re.fullmatch(
            rf"(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)? (?P<m1>{MONTH})|(?P<m2>{MONTH}) (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?)"
            r"(?: (?P<year>\d{4}))?",
            text,
        )
        if not named:
            return ()
        month, number = _month(named["m1"] or named["m2"]), int(named["d1"] or named["d2"])
        # Of a leap year where none is named, so that the 29th of February is a day.
        day_of_year = _day_or_none(int(named["year"] or 2024), month, number)
        if day_of_year is None:
            return ()
        return (Days(day_of_year, day_of_year) if named["year"] else EveryYear((month, number), (month, number)),)


def _about(day: date, period: str) -> Days:
    """ "Two years ago" is as vague as its unit: the unit's own stretch, and half a unit either side of the day."""
    half = _UNIT_DAYS.get(period, 1) // 2
    near = Days(day - timedelta(half), day + timedelta(half))
    whole = {"year": year_of(day.year), "month": month_of(day.year, day.month)}.get(period, near)
    assert near.first and near.last and whole.first and whole.last
    return Days(min(near.first, whole.first), max(near.last, whole.last))


def from_to(one: tuple[Span, ...], two: tuple[Span, ...]) -> tuple[Span, ...]:
    """From the start of one to the end of the other; () where either is several stretches."""
    if len(one) != 1 or len(two) != 1:
        return ()
    match one[0], two[0]:
        case Days() as first, Days() as last:
            if first.first and last.last and first.first > last.last:
                return ()  # 2021-2020 is no stretch of time.
            return (Days(first.first, last.last),)
        case EveryYear() as first, EveryYear() as last:
            return (EveryYear(first.first, last.last),)
        case EveryYear() as first, Days(first=date() as day) as last:
            # "from June to August 2019": the year said last is meant for both.
            return (Days(first.in_year(day.year).first, last.last),)
        case _:
            return ()


def margin(span: Span) -> int:
    """How many days "around" adds: a year for years, a month for months and seasons, a week for days."""
    if isinstance(span, EveryYear):
        return 10
    length = (span.last - span.first).days if span.first and span.last else 0
    return 366 if length > 300 else 31 if length > 20 else 7


def _part_of(span: Span, part: str) -> Span:
    """The early, middle or late part: rather more than a third of it, since people are vague."""
    if not isinstance(span, Days) or span.first is None or span.last is None:
        return span
    length = (span.last - span.first).days
    if part in {"early", "beginning", "start"}:
        return replace(span, last=span.first + timedelta(round(length * 0.45)))
    if part in {"late", "end"}:
        return replace(span, first=span.last - timedelta(round(length * 0.45)))
    return Days(span.first + timedelta(round(length * 0.25)), span.last - timedelta(round(length * 0.25)))


def _numeric(text: str) -> tuple[Span, ...] | None:
    """The days of a date in figures: () where there is no such day, None where it is none."""
    if not re.fullmatch(NUMERIC, text, re.IGNORECASE):
        return None
    numbers = [int(part) for part in re.findall(r"\d+", text)]
    if "w" in text:
        try:
            monday = date.fromisocalendar(numbers[0], numbers[1], 1)
        except ValueError:
            return ()
        return (Days(monday, monday + timedelta(6)),)
    if len(numbers) == 2:
        return (month_of(*numbers),) if 1 <= numbers[1] <= 12 else ()
    one, two, three = numbers
    orders = [(three, two, one), (three, one, two)] if "/" in text else [(three, two, one)]
    days = [_day_or_none(*each) for each in ([(one, two, three)] if "-" in text else orders)]
    return tuple(dict.fromkeys(Days(day, day) for day in days if day is not None))


def _day_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _neighbour(days: Days, length: int, before: bool) -> Days:
    if before:
        return Days(days.first and days.first - timedelta(length), days.first and days.first - timedelta(1))
    return Days(days.last and days.last + timedelta(1), days.last and days.last + timedelta(length))


def _hours(text: str) -> timedelta:
    if text == "now":
        return timedelta(0)
    count, unit, _ = text.split()
    return timedelta(**{f"{unit.removesuffix('s')}s": _number(count)})


def _decade(text: str) -> int | None:
    if text in _NAMED_DECADES:
        return _NAMED_DECADES[text]
    found = re.fullmatch(r"((?:19|20)\d0|[1-9]0)'?s?", text)
    if not found or not text.endswith("s"):
        return None
    year = int(found[1])
    return year if year > 100 else 1900 + year


def _month(name: str) -> int:
    return ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"].index(name[:3]) + 1


def _number(text: str) -> int:
    text = text.lower()
    return int(text) if text.isdigit() else NUMBERS.get(text, 1)
