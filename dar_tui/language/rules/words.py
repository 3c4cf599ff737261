"""Words: where they are in a text, which are the same word inflected, and whether a text speaks of a phrase.

Knows nothing of dialogues. Works on any script: what is not English is compared as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

# The apostrophe stays inside a word (isn't, Grandma's); a hyphen parts two words, so "close-up" is close + up.
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
# What parts two facts: a phrase is never read across it ("dog, brown" does not speak of a "dog brown").
_SEGMENT = re.compile(r"[,.;:!?()\n\u3001\u3002\uff0c\uff01\uff1f]+")
# Scripts written without spaces, where a word is found inside a longer run of letters.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


class LazyPattern:
    """A pattern in any case, compiled when it is first used: large ones take milliseconds a start does not have."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self._pattern, re.IGNORECASE)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """As the method of a compiled pattern."""
        return self._compiled.fullmatch(text)


def listed(text: str) -> frozenset[str]:
    """The words of a list written as prose."""
    return frozenset(text.split())


DETERMINERS = listed(
    "a an the some any my our your his her its their this that these those there it's it is are was were be been"
)
PREPOSITIONS = listed(
    "in on at by near along under over behind beside besides above below between across through inside outside into "
    "onto from of with to against around beneath toward towards among during off"
)
CONJUNCTIONS = listed("and or but nor plus")
# Function words that carry no fact of their own; what is left of a text are its content words.
FUNCTION_WORDS = (
    DETERMINERS
    | PREPOSITIONS
    | CONJUNCTIONS
    | listed(
        "i you he she we they me him us them who which what where when how while as so very really quite just also too "
        "then than not no yes has have had having do does did can could would will may might one ones front next up "
        "out am being there's"
    )
)

COLOURS = listed(
    "red orange yellow green blue purple violet pink brown black white grey gray golden silver beige turquoise "
    "blonde blond ginger cyan magenta maroon navy teal cream"
)
_NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
)
NUMBERS = {word: value for value, word in enumerate(_NUMBER_WORDS)}
ADJECTIVES = (
    COLOURS
    | frozenset(NUMBERS)
    | listed(
        "big small large little tiny huge tall short long young old new wooden striped spotted dark light bright "
        "fluffy "
        "fat thin many several few wet dry empty full open closed round square happy sad smiling furry curly wild "
        "sunny rainy cloudy snowy foggy windy stormy muddy sandy dirty clean colourful colorful blurry sharp"
    )
)

# Inflections that no suffix rule gives, form first and stem second. Both casefolded.
_IRREGULAR = dict(
    pair.split(":")
    for pair in listed(
        "people:person persons:person men:man women:woman children:child mice:mouse geese:goose feet:foot teeth:tooth "
        "leaves:leaf wolves:wolf knives:knife calves:calf loaves:loaf shelves:shelf wives:wife ran:run sat:sit "
        "swam:swim ate:eat rode:ride stood:stand lying:lie held:hold indoors:indoor inside:indoor outdoors:outdoor "
        "outside:outdoor gray:grey rainy:rain sunny:sun snowy:snow cloudy:cloud foggy:fog windy:wind stormy:storm "
        "crowded:crowd skies:sky tv:television blond:blonde colour:color colours:color buses:bus glasses:glasses "
        "series:series species:species news:news spring:spring morning:morning mornings:morning evening:evening "
        "evenings:evening building:building buildings:building wedding:wedding weddings:wedding painting:painting "
        "paintings:painting bed:bed shed:shed sled:sled ceiling:ceiling during:during thing:thing things:thing"
    )
)


@dataclass(frozen=True)
class Word:
    """One word of a text: as written, and its place (`start` to `end`, in characters)."""

    text: str
    start: int
    end: int

    @property
    def key(self) -> str:
        """The word casefolded, with a straight apostrophe."""
        return self.text.casefold().replace("\u2019", "'")


def words(text: str) -> list[Word]:
    """The words of `text` in order."""
    return [Word(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]


def stem(word: str) -> str:
    """One key for a word's inflections: dog and dogs, rain and raining and rainy, 2 and two.

    A light English stemmer: it would sooner leave two forms apart than bring two words together.
    """
    key = word.casefold().replace("\u2019", "'").removesuffix("'s").removesuffix("'")
    if key.isascii() and key.isdigit() and int(key) < len(_NUMBER_WORDS):
        return _NUMBER_WORDS[int(key)]
    if key in _IRREGULAR:
        return _IRREGULAR[key]
    if not key.isascii() or key in NUMBERS or key in FUNCTION_WORDS:
        return key
    if len(key) > 3 and key.endswith("s") and not key.endswith(("ss", "us", "is")):
        key = _singular(key)
    for ending in ("ing", "ed"):
        base = key.removesuffix(ending)
        if base != key and len(base) >= 3 and re.search(r"[aeiouy]", base):
            doubled = base[-1] == base[-2] and base[-1] not in "lsz"
            return (base[:-1] if doubled else base).removesuffix("e")
    return key.removesuffix("e") if len(key) > 3 else key


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return word[:-2]
    return word[:-1]


def content(text: str) -> list[str]:
    """The stems of the words that carry facts, in order, repeats kept."""
    return [stem(word.text) for word in words(text) if word.key not in FUNCTION_WORDS]


def core(phrase: str) -> str:
    """The phrase without the determiners and prepositions it starts with: "in a park" -> "park"."""
    found = words(phrase)
    for word in found:
        if word.key not in DETERMINERS and word.key not in PREPOSITIONS:
            return phrase[word.start :].strip()
    # "inside" and "outside" are all preposition and yet a fact.
    return found[-1].text if found else phrase.strip()


def find(text: str, phrase: str) -> Iterator[tuple[int, int]]:
    """Every place (start, end) where `text` speaks of `phrase`, in any inflection, determiners aside."""
    if _UNSPACED.search(phrase):
        for match in re.finditer(re.escape(phrase.strip()), text, re.IGNORECASE):
            yield match.start(), match.end()
        return
    wanted = [stem(word.text) for word in words(phrase) if word.key not in DETERMINERS]
    if not wanted:
        # A phrase of emoji or signs has no words: it is looked for as it stands.
        if phrase.strip() and not words(phrase):
            for match in re.finditer(re.escape(phrase.strip()), text):
                yield match.start(), match.end()
        return
    for segment in segments(text):
        yield from _find_run([word for word in segment if word.key not in DETERMINERS], wanted)


def _find_run(segment: Sequence[Word], wanted: Sequence[str]) -> Iterator[tuple[int, int]]:
    stems = [stem(word.text) for word in segment]
    size = len(wanted)
    at = 0
    while at + size <= len(stems):
        if stems[at : at + size] == list(wanted):
            yield segment[at].start, segment[at + size - 1].end
            at += size
        else:
            at += 1


def segments(text: str) -> Iterator[list[Word]]:
    """The words of `text`, parted at its punctuation."""
    current: list[Word] = []
    for word in words(text):
        if current and _SEGMENT.search(text, current[-1].end, word.start):
            yield current
            current = []
        current.append(word)
    if current:
        yield current


def mentions(text: str, phrase: str) -> bool:
    """Whether `text` speaks of `phrase`: "two dogs" mentions "dog", "a red car" mentions "red car"."""
    return next(find(text, phrase), None) is not None


def tidy(text: str) -> str:
    """Spaces made single, commas put right, loose punctuation at the ends taken off; letters stay as typed."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    text = re.sub(r"(?:,\s*){2,}", ", ", text)
    return text.strip(" \t\n,.;:!-\u2013\u2014\u3002\uff0c")
