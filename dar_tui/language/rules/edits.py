"""Editing a statement when the user takes something back: a phrase struck out, or one put in another's place.

Knows nothing of why. Leaves grammar good enough for an encoder: no orphaned article, preposition or conjunction.
"""

from __future__ import annotations

import re

from dar_tui.language.rules.words import (
    ADJECTIVES,
    CONJUNCTIONS,
    DETERMINERS,
    PREPOSITIONS,
    Word,
    core,
    find,
    listed,
    mentions,
    stem,
    tidy,
    words,
)

_JOINERS = (
    PREPOSITIONS
    | CONJUNCTIONS
    | listed(
        "wearing holding showing containing having has front next playing riding carrying eating throwing kicking "
        "pulling pushing feeding chasing drinking driving reading using flying"
    )
)
_ARTICLES = {"a", "an", "the", "some", "any", "my", "our", "your", "his", "her", "its", "their"}


def strike(text: str, phrase: str) -> str:
    """`text` without `phrase`, wherever it is mentioned; "" where nothing is left that says anything.

    A struck noun takes its article and adjectives along ("a man with a big dog" -> "a man"); a struck adjective leaves
    its noun ("a red car" -> "a car").
    """
    # Each round shortens the text, so this ends.
    while (place := next(find(text, phrase), None)) is not None:
        text = _cut(text, *place)
    left = words(text)
    says_something = any(word.key not in DETERMINERS | PREPOSITIONS | CONJUNCTIONS for word in left)
    return text if says_something or (not left and text) else ""


def _cut(text: str, start: int, end: int) -> str:
    found = words(text)
    first = next((at for at, word in enumerate(found) if word.end > start), len(found))
    after = next((at for at, word in enumerate(found) if word.start >= end), len(found))
    if first >= after or found[first].start < start:  # Signs or a script without spaces: there is no grammar to fix.
        return tidy(text[:start] + text[end:])
    follows = found[after] if after < len(found) and _same_run(text, end, found[after].start) else None
    struck = found[first:after]
    if struck[0].key in ADJECTIVES and len(struck) > 1 and struck[-1].key not in ADJECTIVES:
        # "not the black dog": there may be a dog all the same.
        kept = next(word for word in struck if word.key not in ADJECTIVES)
        return tidy(text[:start] + text[kept.start :])
    is_modifier = all(word.key in ADJECTIVES for word in struck) and follows is not None and follows.key not in _JOINERS
    if not is_modifier:
        first = _start_of_phrase(text, found, first)
    cut_from = found[first].start
    return _fix_article(tidy(f"{text[:cut_from].rstrip()} {text[end:].lstrip()}"))


def _start_of_phrase(text: str, found: list[Word], first: int) -> int:
    """Walks back over what belongs to a struck noun: adjectives, article, then the words that only led to it."""
    article = first
    for at in range(first - 1, max(-1, first - 4), -1):
        if not _same_run(text, found[at].end, found[at + 1].start) or found[at].key in _JOINERS:
            break
        if found[at].key in _ARTICLES:
            article = at
            break
    else:
        at = first
    first = article
    while (
        first > 0 and found[first - 1].key in ADJECTIVES and _same_run(text, found[first - 1].end, found[first].start)
    ):
        first -= 1
    while first > 0 and found[first - 1].key in _JOINERS | {"of", "the"}:
        first -= 1
    return first


def _same_run(text: str, end: int, start: int) -> bool:
    return not text[end:start].strip(" -")


def _fix_article(text: str) -> str:
    """a/an as the next word's first letter wants it, which an edit may have changed."""
    text = re.sub(r"\b([Aa])n(?=\s+[bcdfgjklmnpqrstvwxyz])", r"\1", text)
    text = re.sub(r"\b([Aa])(?=\s+[aeioAEIO])", r"\1n", text)
    return tidy(re.sub(r"^(?:and|or|but|nor)\b\s*", "", text, flags=re.IGNORECASE))


def swap(text: str, old: str, new: str) -> str:
    """`text` with `new` wherever it spoke of `old`: ("a dog on the beach", "dog", "a cat") -> "a cat on the beach".

    Raises nothing; a text that does not mention `old` comes back as it is.
    """
    old, new = core(old), core(new)
    if not old or not new or mentions(new, old):
        return text
    # One pass from the end, so that earlier places stay where they were found.
    for start, end in reversed(list(find(text, old))):
        plural = text[start:end].endswith("s") and not old.endswith("s") and not new.endswith("s")
        text = f"{text[:start]}{new}{'s' if plural else ''}{text[end:]}"
    return _fix_article(text)


def put_for(text: str, old: Word, new: str) -> str:
    """`text` with the phrase `new` for its noun `old`: ("a red car at home", car, "a truck") -> "a red truck at home".

    What is said of the old noun is kept, unless `new` says how many there are or what they are like.
    """
    found = words(text)
    at = next(number for number, word in enumerate(found) if word.start == old.start)
    first = at
    while (
        first > 0 and _same_run(text, found[first - 1].end, found[first].start) and found[first - 1].key in ADJECTIVES
    ):
        first -= 1
    qualities = text[found[first].start : found[at].start]
    start = found[first].start
    if first > 0 and found[first - 1].key in _ARTICLES and _same_run(text, found[first - 1].end, start):
        start = found[first - 1].start
    said = words(new)
    article = said[0].text if said and said[0].key in _ARTICLES else ""
    rest = new[said[1].start :] if article and len(said) > 1 else new
    counts_or_paints = any(word.key in ADJECTIVES or word.key.isdigit() for word in words(rest))
    lead = (
        text[start : found[first].start] if not article and not counts_or_paints else f"{article} " if article else ""
    )
    kept = "" if counts_or_paints else qualities
    return _fix_article(tidy(f"{text[:start]}{lead}{kept}{rest}{text[old.end :]}"))


def alike(one: str, other: str) -> bool:
    """Whether two phrases could stand in each other's place: both short, both adjectives or neither, both said with a
    preposition or neither ("indoors" and "in a park" could not)."""
    led = [bool(found) and found[0].key in PREPOSITIONS for found in (words(one), words(other))]
    if led[0] != led[1]:
        return False
    left, right = words(core(one)), words(core(other))
    if not left or not right or len(left) > 3 or len(right) > 3:
        return False
    bare = (all(word.key in ADJECTIVES for word in left), all(word.key in ADJECTIVES for word in right))
    return bare[0] == bare[1] and [stem(word.text) for word in left] != [stem(word.text) for word in right]
