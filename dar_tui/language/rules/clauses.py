"""A message parted into what is there and what is not: sentences, clauses, and the reach of a negative.

Knows English negation: which words deny (no, without, isn't, nobody), which only look so (no doubt, not only, nothing
but), and how far a denial reaches. Does not know what was said before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dar_tui.language.rules.captions import caption
from dar_tui.language.rules.words import ADJECTIVES, PREPOSITIONS, core, listed, tidy, words

_Q = "['\u2019]?"  # The apostrophe of isn't, straight, curly or forgotten.


@dataclass(frozen=True)
class Clause:
    """One fact as a caption: there (`denied` False) or not there. `instead` is set where it was set against the clause
    next to it: "a cat, not a dog", "red instead of blue"."""

    text: str
    denied: bool = False
    instead: bool = False


class _Idiom(NamedTuple):
    pattern: re.Pattern[str]
    meaning: str


# They look like denials and are none. Order matters: the longer first.
_IDIOMS = tuple(
    _Idiom(re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (r"\bnot (?:only|just|merely|simply)\b", ""),
        (r"\bbut also\b", "and"),
        # Before clauses are parted at their "but".
        (r"\b(?:anything|everything) (?:but|except(?: for)?|other than|besides)\b", "without"),
        (r"\b(?:nothing|no one|nobody|none) (?:but|except|other than)\b", ""),
        (r"\b(?:no|without a?) ?(?:doubt|question|wonder|problem|worries|kidding)\b", ""),
        (r"\bnot (?:very |too |that )?far (?:from|away from)\b", "near"),
        (r"\b(?:no|not) (?:more|less|fewer|later|earlier) than\b", ""),
        (r"\bnot to mention\b", "and"),
        (r"\bnothing (?:else|more|special|in particular)\b", ""),
        (r"\bno matter (?:what|who|which|how|where)\b", ""),
        (r"\bno[- ]man['\u2019]?s[- ]land\b", "wasteland"),
        # A sign that forbids is a thing in the picture.
        (r"\bno[- ](\w+) (signs?)\b", r"\1 prohibition \2"),
    )
)

_SENTENCE_END = re.compile(r"(?<!\bSt)(?<!\bDr)(?<!\bMr)(?<!\bMt)(?<!\bMrs)[.!?;]+(?=\s|$)|\n+")
_CLAUSE_BREAK = re.compile(
    r"(?<!\d),|,(?!\d)|\s[-\u2013]\s|\u2014|[()]|\b(?:but|though|although|however|whereas|yet)\b", re.IGNORECASE
)
_VERB_NOT = (
    rf"(?:is|are|was|were|does|do|did|has|have|had|ca|could|would|wo|should|ai)n{_Q}t"
    r"|(?:is|are|was|were|does|do|did|has|have|had|can|could|would|should) not|cannot"
)
_DENIAL = re.compile(
    rf"\b(?P<verb>{_VERB_NOT})\b"
    r"|\b(?P<nobody>nobody|no[- ]one|noone|no people|not (?:a (?:person|soul)|anyone|anybody))\b"
    r"|\b(?P<instead>instead of|rather than|as opposed to|in place of)(?=\W)"
    r"|\b(?P<lacks>without|lacking|minus|excluding|except(?: for)?|other than|free of|exclude|avoid"
    r"|remove)\b"
    r"|\bw/o\b"
    r"|\b(?P<not>not|never|neither|nor|no longer)\b"
    r"|\bno\b(?!\.)",
    re.IGNORECASE,
)
_RESTART = re.compile(
    r"\b(?:and|with|just|only)\s+(?=(?:a|an|the|some|there|it|they|two|three|lots|many|my|we)\b)|\bjust\s+|\bonly\s+",
    re.IGNORECASE,
)
_SCOPE_VERBS = re.compile(
    r"^(?:(?:want|need|see|have|has|had|show|contain|include|wear|wearing|holding|carrying|showing|having|think"
    r"|believe|recall|remember|like|look like|be|been|being|taken|shot|seen|in fact|really|actually|even|exactly"
    r"|quite|any|any of|much of|either|ever|to|that|it|it is|it was|me|there|there is|there are|there was"
    r"|there were|is|are|was|were|they|i|we|you|in any way|at all)\b\s*)+",
    re.IGNORECASE,
)
_LIST = re.compile(r"\s*(?:,|\bor\b|\bnor\b|\band\b|/)\s*", re.IGNORECASE)
_PLACE_TAIL = re.compile(
    r"\s(?=(?:on|in|at|by|near|along|under|behind|around|inside|outside|next to|in front of)\s)", re.IGNORECASE
)
# "no people in the background" says nothing of the picture but that.
_NOWHERE = listed("background foreground it picture photo frame scene sight view middle image shot front")
_ABSENT = re.compile(
    r"\s*(?:in (?:it|this|the (?:photo|picture|image|shot|frame))|there|visible|present|around|anywhere)?[\s.]*",
    re.IGNORECASE,
)
# After "a man without glasses", what he does is said of the man.
_RESUMES = re.compile(
    r"\s(?=(?:wearing|holding|carrying|riding|sitting|standing|lying|walking|running|playing|who|that)\b)"
)
_PRONOUNS = listed("it there this that i you we they he she one photo picture")


def sentences(text: str) -> list[str]:
    """The sentences of a message, without their end marks."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def without_idioms(text: str) -> str:
    """`text` with the phrases that only look like denials put in words that do not."""
    for idiom in _IDIOMS:
        text = idiom.pattern.sub(idiom.meaning, text)
    return text


def clauses(sentence: str) -> list[Clause]:
    """The facts of one sentence in order, each there or denied.

    Neighbouring facts that are there stay together as one caption, as a person would write it.
    """
    found: list[Clause] = []
    parts = [part for part in _CLAUSE_BREAK.split(without_idioms(sentence)) if part.strip()]
    listing = False
    for at, part in enumerate(parts):
        # "no cats, dogs or people" denies all three.
        rest_lists = any(re.search(r"\b(?:or|nor)\b", later, re.IGNORECASE) for later in parts[at:])
        if listing and rest_lists and not _DENIAL.search(part):
            found.extend(Clause(item, denied=True) for item in _items(part))
            continue
        read = list(_read(part))
        listing = bool(read) and read[-1].denied
        found.extend(read)
    return list(_joined(_contrasted(found)))


def _read(part: str) -> Iterator[Clause]:
    """One stretch without commas: what stands before the denial, what it reaches, what stands after.

    `instead` is set on every denial that could be one half of a contrast; `_contrasted` keeps it where it is.
    """
    denial = _DENIAL.search(part)
    if denial is None:
        yield from _there(part)
        return
    head, tail = part[: denial.start()], part[denial.end() :]
    restart = _RESTART.search(tail, 2) if tail.strip() else None
    if restart is None and denial["lacks"] and caption(head):
        restart = _RESUMES.search(tail, 2)
    after = tail[restart.end() :] if restart else ""
    tail = tail[: restart.start()] if restart else tail
    subject = caption(head)
    if subject.casefold() in _PRONOUNS:
        subject = ""
    if denial["verb"] and subject and _ABSENT.fullmatch(tail):
        # "The kids weren't in it" denies its subject.
        yield Clause(core(subject), denied=True)
        return
    yield from _there(subject)
    if denial["nobody"]:
        yield from _nobody(tail)
    elif denial["verb"]:
        yield from _predicate(subject, tail)
    elif denial["instead"]:
        yield from _denied(tail)
    elif denial["not"]:
        yield from _denied(_SCOPE_VERBS.sub("", tail.strip()))
    else:
        yield from _lacking(tail)
    if after:
        yield from _read(after)


def _denied(tail: str) -> Iterator[Clause]:
    """After not and instead of. "Not on a leash" takes back no noun, so it contrasts with none."""
    led = words(tail)[:1]
    instead = not led or led[0].key not in PREPOSITIONS
    yield from (Clause(item, denied=True, instead=instead) for item in _items(tail))


def _there(text: str) -> Iterator[Clause]:
    if said := caption(text):
        yield Clause(said)


def _nobody(tail: str) -> Iterator[Clause]:
    tail = tidy(re.sub(r"^\s*(?:else|at all|is|are|was|were|there)\b", "", tail, flags=re.IGNORECASE))
    doing = words(tail)
    if doing and (doing[0].key.endswith("ing") or doing[0].key == "with"):
        yield Clause(tidy(f"people {tail}"), denied=True)
        return
    yield from _lacking(f"people {tail}")


def _predicate(subject: str, tail: str) -> Iterator[Clause]:
    """After isn't, weren't, doesn't have: "the dog isn't black" denies a black dog, not the dog and not all black."""
    noun = words(core(subject))
    for item in _items(_SCOPE_VERBS.sub("", tail.strip())):
        said = words(item)
        if noun and len(noun) <= 2 and all(word.key in ADJECTIVES for word in said):
            yield Clause(f"{item} {core(subject)}", denied=True)
        elif noun and len(noun) <= 2 and said[0].key.endswith("ing") and said[0].key not in {"raining", "snowing"}:
            yield Clause(f"{core(subject)} {item}", denied=True)
        else:
            yield Clause(item, denied=True, instead=not noun)


def _lacking(tail: str) -> Iterator[Clause]:
    """After no, without, nobody: the noun is denied; where it would have been is still there."""
    pieces = _PLACE_TAIL.split(tail.strip(), maxsplit=1)
    yield from (Clause(item, denied=True) for item in _items(_SCOPE_VERBS.sub("", pieces[0])))
    if len(pieces) > 1 and pieces[0].strip() and not _NOWHERE & {word.key for word in words(pieces[1])}:
        yield from _read(pieces[1])


def _items(text: str) -> Iterator[str]:
    for item in _LIST.split(text):
        item = core(_SCOPE_VERBS.sub("", caption(item))) if item.strip() else ""
        item = re.sub(
            r"\s+(?:at all|whatsoever|anywhere|in (?:it|the (?:photo|picture)))$", "", item, flags=re.IGNORECASE
        )
        if item and any(word.key not in PREPOSITIONS for word in words(item)):
            yield tidy(item)
        elif item and (words(item) or not item.isascii()):
            yield item


def _contrasted(found: list[Clause]) -> Iterator[Clause]:
    """Marks "X, not Y" and "not Y but X": a single denial beside a single fact of the same sentence."""
    for at, clause in enumerate(found):
        near = found[max(0, at - 1) : at] + found[at + 1 : at + 2]
        beside = any(not other.denied for other in near)
        yield Clause(clause.text, clause.denied, clause.instead and beside)


def _joined(found: Iterator[Clause]) -> Iterator[Clause]:
    held = ""
    for clause in found:
        if not clause.denied:
            held = tidy(f"{held}, {clause.text}") if held else clause.text
            continue
        if held:
            yield Clause(held)
            held = ""
        yield clause
    if held:
        yield Clause(held)
