"""Phrases of time in a message: found, resolved to days, and taken out of the text the encoder reads.

A season or holiday is seen in the picture as well (snow, a lit tree), so it filters and stays in the text, without its
year: "last summer" -> the days of that summer, and "in summer". Times of day ("at night") are only seen: a camera's
clock is too often wrong to filter by the hour. What cannot be resolved ("on my birthday") stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from dar_tui.language.rules.moments import (
    AGO,
    BESIDE,
    COUNT,
    DAY,
    DECADE,
    HOLIDAY,
    LAST,
    MONTH,
    MONTHS,
    NUMERIC,
    POINT,
    SEASON,
    UNIT,
    YEAR,
    Moments,
    from_to,
    margin,
)
from dar_tui.language.rules.words import FUNCTION_WORDS, listed
from dar_tui.language.when import Days, EveryYear, Hemisphere, Span, When

_RECENT = rf"(?:in|over|within|during) the (?:last|past) (?:{COUNT} )?{UNIT}s?"
_CIRCA = r"around|about|circa|roughly|sometime (?:in|around)|approximately"
_PHRASE = (
    rf"(?<![\w-])(?:"
    rf"(?P<between>(?:between|from) (?P<b1>{POINT}) (?:and|to|until|till|-) (?P<b2>{POINT})"
    rf"|(?P<r1>{YEAR}) ?[-\u2013] ?(?P<r2>{YEAR}))"
    rf"|(?P<either>(?:in |either )?(?P<e1>{POINT}) or (?:in )?(?P<e2>{POINT}))"
    rf"|(?P<beside>(?:in |from |during |on )?(?P<np>{BESIDE}))"
    rf"|(?P<before>(?:before|until|up to|no later than|earlier than|older than|prior to) (?P<bp>{POINT}|{LAST}))"
    rf"|(?P<after>(?:after|since|later than|newer than|more recent than) (?P<ap>{POINT}|{LAST}))"
    rf"|(?P<circa>(?:{_CIRCA}) (?P<cp>{POINT}))"
    rf"|(?P<recent>{_RECENT})"
    rf"|(?P<ago>(?:from |taken )?(?P<agop>{AGO}))"
    rf"|(?P<last>(?:in |from |during |at |on |of )?(?P<lp>{LAST}))"
    rf"|(?P<point>(?:in|on|at|during|from|of|for|dated) (?P<pp>{POINT}))"
    rf"|(?P<bare>{MONTH} {YEAR}|{SEASON},? (?:of )?{YEAR}(?:[/-]\d\d(?!\d))?|{HOLIDAY},? {YEAR}|{DAY} {MONTH},? {YEAR}"
    rf"|{MONTH} {DAY},? {YEAR}"
    rf"|q[1-4] {YEAR}|(?:the )?(?:early|late|mid)[ -](?:{DECADE}|{YEAR})|the {DECADE}|{NUMERIC})"
    r")(?![\w-])"
)
# Nothing that the phrases above need is in most messages; looking is cheaper than matching.
_HINT = re.compile(
    rf"\d\d|\b(?:{MONTHS}|{SEASON}|{HOLIDAY}|ago|yesterday|today|q[1-4]|last|this|past|previous|\w+ties)\b",
    re.IGNORECASE,
)
# "of May", "for April", "on June": a person. "in summer dress", "a bunch of spring roses": what the next word is like.
_PERSON = re.compile(rf"(?:of|for|on|at) {MONTH}", re.IGNORECASE)
_MODIFIER = (
    rf"(?:(?:in|on|at|during|from|of|for) )?(?:the )?(?:{SEASON}|{MONTH}|{HOLIDAY}|{DECADE})"
    rf"(?: or (?:in )?(?:the )?(?:{SEASON}|{MONTH}|{HOLIDAY}|{DECADE}))?"
)
_NOUN_NEXT = re.compile(r" (?!\w+ing\b)(?P<word>[a-z]+)\b", re.IGNORECASE)
_NO_NOUN = FUNCTION_WORDS | listed("maybe perhaps i think probably again somewhere outside inside at sometime please")
_ALONE = rf"\s*(?:in |it was |maybe |i think |the |, )*(?P<point>{POINT}|{LAST}|{AGO})\s*[.!]*\s*"
_BARE_YEAR = re.compile(
    r"(?:actually|no|wait|sorry|rather|or|maybe|[\s,])*(?P<year>(?:19|20)\d\d)[\s.!]*", re.IGNORECASE
)


@dataclass(frozen=True)
class Dated:
    """One phrase of time: where it stands in the text, what it means, and what of it the picture shows ("" if
    nothing)."""

    start: int
    end: int
    when: When
    visible: str


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """The large patterns take 0.1 s to compile, which a search whose text names no time does not spend."""
    return re.compile(pattern, re.IGNORECASE)


def find_dates(text: str, now: datetime, hemisphere: Hemisphere, alone: bool = False) -> list[Dated]:
    """The phrases of time in `text`, said at `now`, in order.

    `alone` allows a bare "2019" or "summer" as the whole message, where the question was when.
    """
    if not _HINT.search(text):
        return []
    moments = Moments(now, hemisphere)
    if alone and (whole := _compiled(_ALONE).fullmatch(text)):
        spans = moments.spans(whole["point"])
        if spans:
            return [Dated(0, len(text), When(whole["point"].strip(), spans), seen_of(whole["point"]))]
    if year := _BARE_YEAR.fullmatch(text):
        return [Dated(0, len(text), When(year["year"], moments.spans(year["year"])), "")]
    found = []
    for match in _compiled(_PHRASE).finditer(text):
        if _is_no_time(text, match):
            continue
        spans = _read(moments, match)
        if spans:
            phrase = match.group()
            found.append(Dated(match.start(), match.end(), When(phrase, spans), seen_of(phrase)))
    return found


def _is_no_time(text: str, match: re.Match[str]) -> bool:
    """Whether the words are a person's name or say what the next word is like: a filter too narrow hides the photo."""
    phrase = match.group()
    if _PERSON.fullmatch(phrase):
        return True
    if match["either"] and not re.match(r"(?:in|either) ", phrase, re.IGNORECASE) and not re.search(r"\d", phrase):
        return True
    following = _NOUN_NEXT.match(text, match.end())
    return bool(_compiled(_MODIFIER).fullmatch(phrase) and following and following["word"].casefold() not in _NO_NOUN)


def seen_of(phrase: str) -> str:
    """What a picture shows of a phrase of time ("in winter"); "" for nothing."""
    holidays = re.findall(HOLIDAY, phrase, re.IGNORECASE)
    seasons = re.findall(rf"\b({SEASON})s?\b", phrase, re.IGNORECASE)
    if len({each.lower() for each in (*holidays, *seasons)}) > 1:
        return ""  # Of "spring or summer" a photo shows one, and nobody knows which.
    return f"at {holidays[0]}" if holidays else f"in {seasons[0].lower()}" if seasons else ""


def backwards(text: str, now: datetime) -> tuple[str, ...]:
    """The phrases of `text` that name a stretch of time which ends before it begins: "2021-2020"."""
    if not _HINT.search(text):
        return ()
    moments = Moments(now, Hemisphere.NORTH)
    found = []
    for match in _compiled(_PHRASE).finditer(text):
        ends = (match["b1"] or match["r1"], match["b2"] or match["r2"])
        if match["between"] and not _read(moments, match) and all(moments.spans(each) for each in ends):
            found.append(match.group().strip())
    return tuple(found)


def not_a_stretch(texts: Iterable[str], now: datetime) -> str:
    """What to say of texts with such phrases; "" for none."""
    found = ", ".join(f'"{each}"' for text in texts for each in backwards(text, now))
    return f"No date was read from {found}: it ends before it begins." if found else ""


def _read(moments: Moments, match: re.Match[str]) -> tuple[Span, ...]:
    """The days of one matched phrase; () where they cannot be known."""
    said = match.groupdict()
    if said["between"]:
        return from_to(moments.spans(said["b1"] or said["r1"]), moments.spans(said["b2"] or said["r2"]))
    if said["either"]:
        return _either(moments, said["e1"], said["e2"])
    if said["before"]:
        return _open(moments, said["bp"], lambda days: Days(None, days.first and days.first - timedelta(1)))
    if said["after"]:
        # "since 2015" holds 2015; "after 2015" does not.
        keep = said["after"].lower().startswith("since")
        return _open(
            moments, said["ap"], lambda days: Days(days.first if keep else days.last and days.last + timedelta(1), None)
        )
    if said["circa"]:
        return tuple(span.widened(margin(span)) for span in moments.spans(said["cp"]))
    if said["recent"]:
        return moments.recent(said["recent"])
    for part in ("np", "agop", "lp", "pp", "bare"):
        if said[part]:
            return moments.spans(said[part])
    return ()


def _either(moments: Moments, one: str, other: str) -> tuple[Span, ...]:
    """ "March or April 2012" means both months of that year."""
    year = re.search(rf"{YEAR}$", other)
    first = moments.spans(one)
    if year is not None:
        first = tuple(span.in_year(int(year[0])) if isinstance(span, EveryYear) else span for span in first)
    return first + moments.spans(other)


def _open(moments: Moments, phrase: str, side: Callable[[Days], Days]) -> tuple[Span, ...]:
    stretches = [span for span in moments.spans(phrase) if isinstance(span, Days)]
    if phrase.lower() == "easter":
        # Without a year it is the last one that has begun, as in an option.
        stretches = [days for days in stretches if days.first and days.first <= moments.now.date()][-1:]
    return tuple(side(days) for days in stretches) if len(stretches) == 1 else ()
