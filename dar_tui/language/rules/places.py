"""Places named in a message: "in Paris", "at Lake Como", "in the folder italy". Hints to match with folders and GPS
names.

A name is distinguished from a noun by its capital, so "in paris" is a place only where the question was where. Knows no
gazetteer.
"""

from __future__ import annotations

import re

from dar_tui.language.rules.captions import caption
from dar_tui.language.rules.words import DETERMINERS, PREPOSITIONS, Word, core, listed, tidy, words

_LEADS = frozenset({"in", "at", "near", "outside", "around", "to"})
_LINKS = listed("of de la le du del di da los las the am an der")
# Capitalised in English without being places.
_NOT_PLACES = listed(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday christmas xmas easter halloween thanksgiving spring summer "
    "autumn fall winter i "
    "valentine ramadan eid diwali hanukkah day night mom mum dad"
)
_FOLDER = re.compile(
    r",?\s*\b(?:(?:it is|it was|it's|is|was) )?(?:in|from|under) (?:the |my |a )?(?:folder|album"
    r"|directory) (?:called |named )?"
    r"[\"'\u201c\u2018]?(?P<after>[\w./-]+)[\"'\u201d\u2019]?"
    r"|,?\s*\b(?:in|from|under) (?:the |my )[\"'\u201c\u2018]?(?P<before>[\w./-]+)[\"'\u201d\u2019]? (?:folder"
    r"|album|directory)\b",
    re.IGNORECASE,
)


def take_folders(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without what it says of folders, and the folders. A folder is nothing an encoder can see."""
    folders = tuple(match["after"] or match["before"] for match in _FOLDER.finditer(text))
    return (_FOLDER.sub("", text), folders) if folders else (text, ())


def find_places(text: str) -> tuple[str, ...]:
    """The capitalised names after in, at, near, to ..., in order."""
    found = words(text)
    places = []
    for at, word in enumerate(found[:-1]):
        # A Title Cased Message capitalises its prepositions too, and tells nothing.
        if word.key not in _LEADS or (word.text[0].isupper() and at > 0):
            continue
        name = _name(text, found[at + 1 :])
        if name:
            places.append(name)
    return tuple(dict.fromkeys(places))


def _name(text: str, found: list[Word]) -> str:
    taken: list[Word] = []
    for at, word in enumerate(found):
        if taken and text[taken[-1].end : word.start].strip(" -"):
            break
        if (word.text[0].isupper() and word.key not in _NOT_PLACES and word.key not in DETERMINERS | PREPOSITIONS) or (
            taken and word.key in _LINKS and at + 1 < len(found) and found[at + 1].text[0].isupper()
        ):
            taken.append(word)
        elif word.key == "the" and not taken:
            continue
        else:
            break
    return text[taken[0].start : taken[-1].end] if taken else ""


def answered_place(text: str) -> str:
    """The place in an answer to "where?": "paris", "in paris". "" where it is only a kind of place ("in a park")."""
    said = caption(text)
    found = words(said)
    if not found or len(found) > 4 or any(word.key in DETERMINERS for word in found):
        return ""
    return tidy(core(said))
