"""Reading a message by rules, with no model: what it wants, what it rejects, what its speaker cannot tell, when and
where.

Knows one message and the question it answers; `dar_tui.dialogue.need` knows what was said before. Reads English; text
in other languages and scripts is taken whole, as one want.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from dar_tui.language.rules.answers import (
    UNTOLD,
    About,
    Stance,
    about,
    is_none,
    is_reply_to_photos,
    reply_to,
    statement,
)
from dar_tui.language.rules.captions import caption, is_english
from dar_tui.language.rules.clauses import Clause, clauses, sentences
from dar_tui.language.rules.dates import Dated, find_dates
from dar_tui.language.rules.edits import alike, strike
from dar_tui.language.rules.fields import NO_FIELDS, take_fields
from dar_tui.language.rules.places import answered_place, find_places, take_folders
from dar_tui.language.rules.requests import NOTHING_ASKED, Requests, no_such_days, requests_in
from dar_tui.language.rules.words import COLOURS, NUMBERS, core, mentions, tidy, words
from dar_tui.language.turn import Expects, Turn
from dar_tui.language.when import Hemisphere, When

# Stand in for phrases of time while clauses are read. Unicode keeps these for a program's own use: no text holds them.
_FIRST_MARK = 0xFDD0
_MARKS = re.compile("[\ufdd0-\ufdef]")
_MOST_MARKS = 32
# Some 700 words, far more than any encoder reads; the patterns take quadratic time on the worst of texts.
_MOST_CHARACTERS = 4000
_CORRECTS = re.compile(
    r"^\s*(?:no,?\s+)?(?:wait|actually|sorry|i mean(?:t)?|correction|scratch that|rather|oops|on second thought)\b"
    r"|\b(?:actually|i meant|scratch that|correction)\b"
    # "It was a girl" says what it was all along.
    r"|^\s*(?:it|that|he|she)(?: was| is|['\u2019]s) an? (?=[\w ]+$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Swap:
    """The user takes back `old` and says `new` in its place. `is_denied`: so `old` is not in the photo."""

    old: str
    new: str
    is_denied: bool = True


@dataclass(frozen=True)
class Reading:
    """What one message says. `corrects` is set where it announces a correction ("actually ...", "no wait").

    `asks`: what it asks to change. `no_days`: what was written like a day and is none.
    """

    wants: tuple[str, ...] = ()
    rejects: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    swaps: tuple[Swap, ...] = ()
    when: tuple[When, ...] = ()
    where: tuple[str, ...] = ()
    corrects: bool = False
    asks: Requests = NOTHING_ASKED
    no_days: tuple[str, ...] = ()


def read(turn: Turn, hemisphere: Hemisphere = Hemisphere.NORTH) -> Reading:
    """Reads one message in the light of its question. Never fails: what no rule knows is a want, as typed."""
    text = re.sub(r"[ \t]{2,}", " ", _MARKS.sub("", turn.answer)).strip()[:_MOST_CHARACTERS]
    if turn.question and turn.question.photos:
        if is_reply_to_photos(text, turn.question):
            return Reading()
        turn = replace(turn, question=None)
    reply = reply_to(text, turn.question)
    if turn.question and turn.question.is_general and reply.stance is not Stance.UNKNOWN and reply.rest.strip():
        # "No, a cat" corrects the dog of before and "any year" forgets a date; only a bare refusal answers it.
        turn = replace(turn, question=None)
        reply = reply_to(text, None)
    what = about(turn.question) if turn.question else About()
    if reply.stance is Stance.UNKNOWN:
        return Reading(unknown=(_topic(what, turn),))
    said, fields = take_fields(reply.rest)
    if reply.stance is Stance.NONE and fields == NO_FIELDS and not is_english(text):
        return Reading(wants=(tidy(text),) if tidy(text) else ())
    text, folders = take_folders(said)
    asks = requests_in(text, asked=turn.question is not None)
    text = _chosen(asks.text, what.choices)
    dates = find_dates(text, turn.at, hemisphere, alone=what.is_time)[:_MOST_MARKS]
    text, no_days = no_such_days(text, [(each.start, each.end) for each in dates])
    if no_days:
        dates = find_dates(text, turn.at, hemisphere, alone=what.is_time)[:_MOST_MARKS]
    reading = _facts(_mark(text, dates), dates, what)
    reading = _with_stance(reading, reply.stance, what, turn)
    reading = _with_asked_date(reading, reply.stance, what, turn, hemisphere)
    places = find_places(text)
    if what.is_place and not places and (place := answered_place(_MARKS.sub("", _mark(text, dates)))):
        places = (place,)
    denied = [place for place in places if any(mentions(reject, place) for reject in reading.rejects)]
    where = tuple(place for place in places if place not in denied)
    if asks.old:
        reading = replace(reading, swaps=(Swap(asks.old, asks.new), *reading.swaps))
    corrects = asks.replaces or bool(_CORRECTS.search(turn.answer))
    asks = replace(asks, fields=fields)
    return replace(reading, where=where + folders, corrects=corrects, asks=asks, no_days=no_days)


def _chosen(text: str, choices: tuple[str, ...]) -> str:
    """The choice that "the second" or "the former" names; any other text as it is."""
    named = re.fullmatch(r"\s*(?:the )?(first|former|second|latter|last)(?: one)?[\s.!]*", text, re.IGNORECASE)
    if not named or len(choices) < 2:
        return text
    return choices[0] if named[1].lower() in ("first", "former") else choices[1]


def _mark(text: str, dates: list[Dated]) -> str:
    for at, dated in reversed(list(enumerate(dates))):
        text = f"{text[: dated.start]}{chr(_FIRST_MARK + at)}{text[dated.end :]}"
    return text


def _facts(text: str, dates: list[Dated], what: About) -> Reading:
    """The facts of the message, its dates still marked: each clause there or denied, each date in one or the other."""
    wants: list[str] = []
    rejects: list[str] = []
    unknown: list[str] = []
    swaps: list[Swap] = []
    when: list[When] = []
    for sentence in sentences(text):
        if untold := UNTOLD.search(sentence):
            if topic := core(caption(re.sub(r"^(?:it|there|they) (?:is|was|were|are)\b", "", untold["topic"].strip()))):
                unknown.append(_MARKS.sub("", topic))
            sentence = f"{sentence[: untold.start()]}{sentence[untold.end() :]}"
        found = clauses(sentence)
        for clause in found:
            dated = [dates[ord(mark) - _FIRST_MARK] for mark in _MARKS.findall(clause.text)]
            when.extend(replace(each.when, excluded=clause.denied) for each in dated)
            # A denied date excludes days; that it is seen is no reason to push away every winter.
            said = _unmarked(clause.text, dates, visible=not clause.denied)
            said = "" if clause.denied and dated and not core(said) else said
            if said and clause.denied:
                rejects.append(statement(said, what) if _is_bare(said) else said)
            elif said:
                wants.append(statement(said, what))
        swaps.extend(_swaps([Clause(_unmarked(each.text, dates, True), each.denied, each.instead) for each in found]))
    # Dates replace each other as dates.
    seen = {each.visible for each in dates}
    swaps = [each for each in swaps if each.old not in seen]
    swaps = [
        Swap(statement(swap.old, what), statement(swap.new, what)) if _is_bare(swap.old) else swap for swap in swaps
    ]
    borrowed = {swap.old for swap in swaps}
    rejects = [_borrow(reject, swaps) for reject in rejects if reject not in borrowed] + [swap.old for swap in swaps]
    return Reading(_unique(wants), _unique(rejects), _unique(unknown), tuple(swaps), tuple(when))


def _is_bare(phrase: str) -> bool:
    """Whether it is only a number or a colour, which means nothing without what it counts or paints."""
    return all(word.key in NUMBERS or word.key in COLOURS or word.key.isdigit() for word in words(phrase))


def _unmarked(text: str, dates: list[Dated], visible: bool) -> str:
    said = _MARKS.sub(lambda mark: dates[ord(mark.group()) - _FIRST_MARK].visible if visible else "", text)
    return caption(said) if _MARKS.search(text) else said


def _swaps(found: list[Clause]) -> list[Swap]:
    """The pairs of "a cat, not a dog" and "not a dog but a cat"."""
    pairs = []
    for at, clause in enumerate(found):
        if not clause.instead:
            continue
        near = [each for each in found[max(0, at - 1) : at] + found[at + 1 : at + 2] if not each.denied]
        # Of "a cat on a sofa, not a dog" the part that the dog stood for is the noun before the place.
        for new in near:
            first = re.split(r",| (?=(?:on|in|at|by|near|with|under)\b)", new.text)
            candidates = [new.text, first[-1] if new is found[at - 1] else first[0], first[0]]
            match = next((each for each in candidates if each and alike(each, clause.text)), None)
            if match is not None:
                pairs.append(Swap(clause.text, core(match)))
                break
            if borrowed := _counted(clause.text, new.text):
                pairs.append(borrowed)
                break
    return pairs


def _counted(old: str, new: str) -> Swap | None:
    """ "two dogs, not three" denies three dogs, "a blue car, not red" a red car: the noun is borrowed."""
    said, other = words(core(new)), words(core(old))
    if len(other) != 1 or len(said) < 2:
        return None
    for kind in (frozenset(NUMBERS), COLOURS):
        is_kind = other[0].key in kind or (kind is not COLOURS and other[0].key.isdigit())
        first = next((word for word in said if word.key in kind or (kind is not COLOURS and word.key.isdigit())), None)
        if is_kind and first is not None and first is not said[-1]:
            noun = said[said.index(first) + 1].text
            return Swap(f"{other[0].text} {noun}", f"{first.text} {noun}")
    return None


def _borrow(reject: str, swaps: list[Swap]) -> str:
    """The bare number or colour of a borrowed pair gives way to the pair: "three" -> "three dogs"."""
    return next((swap.old for swap in swaps if swap.old.startswith(f"{reject} ")), reject)


def _with_stance(reading: Reading, stance: Stance, what: About, turn: Turn) -> Reading:
    """Adds what yes or no says of the question's own topic."""
    topic = caption(what.topic)
    if what.is_count and turn.question and (stance is Stance.NO or is_none(turn.answer, what)):
        return replace(reading, wants=(), rejects=_unique([*reading.rejects, topic]))
    if turn.question and turn.question.expects is Expects.OPEN and stance in (Stance.YES, Stance.NO):
        # "What are they wearing?" - "no": there is nothing to tell, and no clothes to push away.
        return reading if reading.wants else replace(reading, unknown=_unique([*reading.unknown, _topic(what, turn)]))
    if stance is Stance.NEITHER:
        return replace(reading, rejects=_unique([*reading.rejects, *map(core, what.choices)]))
    if stance is Stance.BOTH:
        return replace(reading, wants=_unique([*what.choices, *reading.wants]))
    if stance is Stance.YES and topic and not what.choices:
        # "yes, two people" says it better than "people, two people".
        said = any(mentions(want, core(topic)) for want in reading.wants)
        return replace(reading, wants=reading.wants if said else _unique([topic, *reading.wants]))
    if stance is Stance.NO and what.choices:
        return replace(
            reading, rejects=_unique([*reading.rejects, *([] if reading.wants else map(core, what.choices))])
        )
    if stance is Stance.NO and topic:
        denied = core(topic)
        # "is it a dog?" - "no, two dogs": the dog is there after all.
        if any(mentions(want, denied) for want in reading.wants):
            return reading
        swap = next((Swap(denied, want) for want in reading.wants[:1] if alike(topic, want)), None)
        swaps = (*reading.swaps, swap) if swap else reading.swaps
        return replace(reading, rejects=_unique([denied, *reading.rejects]), swaps=swaps)
    return reading


def _with_asked_date(reading: Reading, stance: Stance, what: About, turn: Turn, hemisphere: Hemisphere) -> Reading:
    """ "Was it in winter?" - "yes" filters like "in winter" would, and "no" leaves those days out."""
    if stance not in (Stance.YES, Stance.NO) or not what.is_yes_no:
        return reading
    asked = find_dates(what.topic, turn.at, hemisphere, alone=False)
    dated = tuple(replace(each.when, excluded=stance is Stance.NO) for each in asked)
    phrases = [each.when.phrase for each in asked if not each.visible]
    # A year is nothing to see: "was it in 2019?" - "yes" leaves no text.
    wants = tuple(want for want in reading.wants if want not in phrases)
    rejects = tuple(reject for reject in reading.rejects if not any(mentions(phrase, reject) for phrase in phrases))
    return replace(reading, wants=wants, rejects=rejects, when=dated + reading.when) if dated else reading


def _topic(what: About, turn: Turn) -> str:
    asked = turn.question.topic or what.topic if turn.question else ""
    return asked or (turn.question.text if turn.question else "")


def _unique(texts: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


__all__ = ["Reading", "Swap", "core", "mentions", "read", "strike"]
