"""What a search's words are worth where they stand in the words about a photo, or in it: evidence beside the vectors.

A word gives a photo that has it log(1 / share) nats, `share` being the part of the library that has it, up to a limit:
the likelihood ratio that a user says a word of the photo meant, if they did so whenever it has one. They do not, and
an encoder sees a dog by itself; so words that everybody's photos show count little, names and numbers much,
and a phrase in quotes most. Photos without words lose nothing: most have none. Knows no dialogue and no belief.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dar_tui.dialogue.need import Need
from dar_tui.language.rules.places import find_places
from dar_tui.language.rules.spelling import EVERYDAY
from dar_tui.language.rules.words import FUNCTION_WORDS, Word, listed, words
from indexer.library import Library
from indexer.search.hits import Hit
from indexer.search.strength import Strength

# Said of more photos than this a word tells nothing.
_COMMON = 0.1
# Nats at most, for words about photos and for text within them (on a shirt, a wall behind). Chosen by reason: a name
# decides among a thousand photos that look right (7 nats), an everyday word among a dozen (2.5); quotes are meant.
_EVERYDAY, _RARE, _QUOTED = (1.5, 0.7), (7.0, 5.0), (12.0, 12.0)
# From so many nats on, words alone make a strong match.
_STRONG = 4.0
_SHORTEST = 3
# Written with a capital, and nobody's name.
_NO_NAMES = (
    EVERYDAY
    | FUNCTION_WORDS
    | listed(
        "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
        "september october november december christmas easter halloween thanksgiving english german french italian "
        "spanish american european asian african chinese japanese indian santa god"
    )
)
_MOST_WORDS = 24


@dataclass(frozen=True, eq=False)
class Mentioned:
    """A phrase of the search, and what it gives the images it stands in: ids (n,), sorted, and nats (n,)."""

    phrase: str
    ids: NDArray[np.int64]
    nats: NDArray[np.float64]


def mentioned(library: Library, need: Need) -> tuple[Mentioned, ...]:
    """Each word and quoted phrase of the need that stands in few photos' words; () in a library without words."""
    limits = dict.fromkeys(need.quoted, _QUOTED)
    for word in _said(need):
        limits.setdefault(word, _EVERYDAY if word in EVERYDAY else _RARE)
    limits = dict(list(limits.items())[:_MOST_WORDS])
    forms = {phrase: (phrase,) if phrase in need.quoted else _forms(phrase) for phrase in limits}
    found = {each.phrase: each for each in library.mentions(list(dict.fromkeys(sum(forms.values(), ()))))}
    result = []
    for phrase, (about, within) in limits.items():
        parts = [found[form] for form in forms[phrase]]
        images = parts[0].images
        spoken = np.unique(np.concatenate([part.about for part in parts]))
        read = np.unique(np.concatenate([part.within for part in parts]))
        ids = np.union1d(spoken, read)
        if not len(ids) or (len(ids) > max(_COMMON * images, 1) and phrase not in need.quoted):
            continue
        worth = math.log(images / len(ids)) if phrase not in need.quoted else math.inf
        nats = np.where(np.isin(ids, spoken), min(worth, about), min(worth, within))
        result.append(Mentioned(phrase, ids, nats))
    return tuple(result)


def nats_of(mentions: Sequence[Mentioned], ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) what all of them give each of these images."""
    total = np.zeros(len(ids))
    for each in mentions:
        places = np.minimum(np.searchsorted(each.ids, ids), len(each.ids) - 1)
        total += np.where(each.ids[places] == ids, each.nats[places], 0.0)
    return total


def nobody_called(library: Library, texts: Sequence[str]) -> str:
    """A note on the names in these texts that stand in no photo's words: an encoder knows nobody by name; or ""."""
    found = [word.text for text in texts for word in words(text)[1:] if _is_name(word)]
    places = {part for text in texts for place in find_places(text) for part in place.split()}
    names = [name for name in dict.fromkeys(found) if name not in places and not library.has_place(name)]
    names = [each.phrase for each in library.mentions(names) if not len(each.about) and not len(each.within)]
    if not names:
        return ""
    return f"Names are found only where photos are tagged with them, and none is with {' or '.join(names)}."


def with_words(library: Library, hits: Sequence[Hit], mentions: Sequence[Mentioned], need: Need) -> tuple[Hit, ...]:
    """The hits with what of their words was searched for; a strong match where the words alone decide."""
    sought = [phrase for _, phrase in need.written]
    if not mentions and not sought:
        return tuple(hits)
    worth: Mapping[int, float] = dict(
        zip([hit.image_id for hit in hits], nats_of(mentions, np.array([hit.image_id for hit in hits])), strict=True)
    )
    ordered = [*need.quoted, *(each.phrase for each in sorted(mentions, key=lambda each: -each.nats.max()))]
    phrases = [*sought, *dict.fromkeys(form for phrase in ordered for form in (phrase, *_forms(phrase)))]

    def marked(hit: Hit) -> Hit:
        gained = worth[hit.image_id]
        if not gained and not sought:
            return hit
        strength = Strength.STRONG if gained >= _STRONG else hit.strength
        return replace(hit, words=library.excerpt(hit.image_id, phrases), strength=strength)

    return tuple(map(marked, hits))


def _said(need: Need) -> list[str]:
    """The words of the need that may be somebody's own: without those that every description has."""
    found = [word for want in need.wants for word in words(want)]
    return list(dict.fromkeys(word.key for word in found if _tells(word)))


def _tells(word: Word) -> bool:
    return (len(word.key) >= _SHORTEST or word.key.isdigit()) and word.key not in FUNCTION_WORDS


def _is_name(word: Word) -> bool:
    """Whether it is written as a name is; what follows the first word of a text."""
    plain = word.text.removesuffix("'s").removesuffix("\u2019s")
    return plain.istitle() and plain.isalpha() and len(plain) >= _SHORTEST and plain.casefold() not in _NO_NAMES


def _forms(word: str) -> tuple[str, ...]:
    """The word in singular and plural, as far as English makes these by rule; a phrase as it is."""
    if not re.fullmatch(r"[a-z]+", word):
        return (word,)
    forms = [word]
    if word.endswith("ies"):
        forms.append(f"{word[:-3]}y")
    elif word.endswith(("ses", "xes", "ches", "shes")):
        forms += [word[:-2], word[:-1]]
    elif word.endswith("s") and not word.endswith("ss"):
        forms.append(word[:-1])
    elif word.endswith("y") and word[-2:-1] not in "aeiou":
        forms.append(f"{word[:-1]}ies")
    else:
        forms.append(f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s")
    return tuple(dict.fromkeys(forms))
