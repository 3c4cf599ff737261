"""A point in time as people name it ("June 2020", "last summer", "the nineties", "two years ago") -> days.

Knows the names and the day of speaking. Finding such names in a message is `dates`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from dar_tui.dialogue.when import (
    Days,
    EveryYear,
    Hemisphere,
    Span,
    easter,
    every_month,
    holiday,
    last_of,
    month_of,
    season,
    this,
    year_of,
)
from dar_tui.language.rules.words import NUMBERS

MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
MONTH = rf"(?:{MONTHS})\b\.?"
SEASON = r"(?:spring|summer|autumn|fall|winter)"
HOLIDAY = (
    r"(?:christmas eve|christmas|xmas|easter|halloween|thanksgiving|independence day|valentine['\u2019]?s(?: day)?"
    r"|new year['\u2019]?s(?: eve| day)?|new year)"
)
# A number of four digits is a year unless something is counted with it: "in 2000 pieces".
YEAR = r"(?:19|20)\d\d(?!\d|[.,]\d|\s*(?:people|pieces|photos|pictures|times|m\b|km\b|euros?\b|dollars?\b|things))"
DECADE = (
    r"(?:the )?(?:(?:19|20)\d0s|['\u2019]?[1-9]0['\u2019]?s"
    r"|(?:twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties))"
)
DAY = r"(?:\d{1,2}(?:st|nd|rd|th)?)"
WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
COUNT = (
    r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\d{1,2}"
    r"|(?:a )?couple(?: of)?|(?:a )?few|several|some)"
)
UNIT = r"(?:day|week|month|year)"
POINT = (
    rf"(?:(?:early|late|mid|the (?:beginning|start|middle|end) of|the)[ -])?(?:"
    rf"\d{{4}}-\d\d-\d\d|{DAY} (?:of )?{MONTH}(?:,? {YEAR})?|{MONTH} {DAY}(?:,? {YEAR})?(?!\d)"
    rf"|{MONTH},? (?:of )?{YEAR}"
    rf"|{SEASON},? (?:of )?{YEAR}|{HOLIDAY},? (?:of )?{YEAR}|{DECADE}|{YEAR}|{MONTH}|{SEASON}|{HOLIDAY})"
)
AGO = rf"(?:about |around |some |maybe )?{COUNT} {UNIT}s? ago|yesterday|today|last {WEEKDAY}"
LAST = (
    r"(?:last|this|this past|the previous|previous) "
    rf"(?:year|month|week|weekend|{SEASON}|{HOLIDAY}|{MONTH})(?:['\u2019]s)?"
)
_NAMED_DECADES = {
    "twenties": 1920, "thirties": 1930, "forties": 1940, "fifties": 1950, "sixties": 1960, "seventies": 1970,
    "eighties": 1980, "nineties": 1990,
}  # fmt: skip
_COUNTS = {"couple": (2, 3), "few": (2, 5), "several": (3, 8), "some": (2, 10)}
_UNIT_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}


@dataclass(frozen=True)
class Moments:
    """Reads points in time as said at `now`."""

    now: datetime
    hemisphere: Hemisphere

    def spans(self, phrase: str) -> tuple[Span, ...]:
        """The days of a point in time such as "June 2020", "last summer" or "the nineties"; () where unknown."""
        text = phrase.lower().replace("\u2019", "'").strip(" .'")
        part = re.match(r"(?:the )?(early|late|mid|beginning|start|middle|end)(?: of)?[ -]", text)
        if part:
            return tuple(_part_of(span, part[1]) for span in self.spans(text[part.end() :]))
        text = re.sub(r"^the (?=\w)|\b(?:of|in)\b ?|,", "", text).replace("  ", " ").removesuffix("'s")
        if text.startswith(("last ", "this ", "previous ")):
            return self._relative(text)
        if re.fullmatch(r"(?:19|20)\d\d", text):
            return (year_of(int(text)),)
        if (decade := _decade(text)) is not None:
            return (Days(date(decade, 1, 1), date(decade + 9, 12, 31)),)
        year = re.search(r"\b(?:19|20)\d\d$", text)
        name = text[: year.start()].strip() if year else text
        if yearly := self._yearly(name):
            return (yearly.in_year(int(year.group())) if year else yearly,)
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

    def _parsed(self, text: str) -> tuple[Span, ...]:
        """What dateparser makes of the phrase, as wide as the phrase is vague."""
        for word, (least, most) in _COUNTS.items():
            if re.match(rf"(?:a )?{word}\b.* ago", text):
                unit = re.search(UNIT, text)
                nearer, farther = (
                    self._parsed(f"{count} {unit.group()}s ago" if unit else "") for count in (least, most)
                )
                return from_to(farther, nearer)
        # dateparser takes about 0.1 s to import, and most messages hold no date.
        from dateparser.date import DateDataParser  # type: ignore[import-untyped]

        parser = DateDataParser(
            languages=["en"],
            settings={"RELATIVE_BASE": self.now.replace(tzinfo=None), "PREFER_DATES_FROM": "past", "DATE_ORDER": "DMY"},
        )
        found = parser.get_date_data(re.sub(r"^(?:about|around|some|maybe) ", "", text))
        if found is None or found.date_obj is None:
            return ()
        day = found.date_obj.date()
        if re.search(r"\bago$", text):
            return (_about(day, found.period or "day"),)
        if not re.search(r"\d{4}|day", text):
            return (EveryYear((day.month, day.day), (day.month, day.day)),)  # "on 3 May": any year's.
        return (Days(day, day),)


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
