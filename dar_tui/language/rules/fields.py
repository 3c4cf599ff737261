"""What a message asks of the words about photos and in them: `person:Anna`, `text:"total due"`, `rating:>=4`, and
"phrases in quotes".

Takes the fields out of the text, and the quotes off what they enclose, which still describes. Knows one message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# As they are typed, and what they are called in `indexer.store.words`; "" for any of them.
_FIELDS = {
    **{
        "title": "title",
        "description": "description",
        "keyword": "keywords",
        "keywords": "keywords",
        "tag": "keywords",
    },
    **{"person": "people", "people": "people", "caption": "caption", "text": "text", "words": ""},
}
_VALUE = r"(?:\"(?P<quoted>[^\"\n]+)\"|\u201c(?P<curly>[^\u201d\n]+)\u201d|(?P<bare>[^\s\"\u201c,;]+))"
_FIELD = re.compile(rf"(?<![\w:])(?P<field>{'|'.join(_FIELDS)}):\s?{_VALUE}", re.IGNORECASE)
_RATING = re.compile(
    r"(?<![\w:])(?:rating|stars):\s?(?:(?P<sign>>=|<=|=|>|<)?(?P<stars>[0-5])(?P<more>\+)?(?:-(?P<most>[0-5]))?)(?!\w)",
    re.IGNORECASE,
)
# Not after a digit or letter: 5" are inches.
_QUOTED = re.compile(r"(?<!\w)\"(?P<straight>[^\"\n]{2,})\"(?!\w)|\u201c(?P<curly>[^\u201d\n]{2,})\u201d")
_NEGATES = re.compile(r"\b(?:no|not|never|without|nothing|nobody|none)\b|n['\u2019]t\b", re.IGNORECASE)
_WITHDRAWS = re.compile(
    r"\s*(?:please )?(?:forget|drop|remove|without|ignore|no longer|not)(?: about)?[\s.!]*", re.IGNORECASE
)
_MOST_STARS = 5
_MOST = 16


@dataclass(frozen=True)
class Fields:
    """`written`: (field, phrase) that must stand there. `rating`: the fewest and the most stars. `quoted`: phrases.

    `withdrawn`: they were asked for before, and no longer are ("forget person:Anna").
    """

    written: tuple[tuple[str, str], ...] = ()
    rating: tuple[int, int] | None = None
    quoted: tuple[str, ...] = ()
    withdrawn: bool = False


NO_FIELDS = Fields()


def take_fields(text: str) -> tuple[str, Fields]:
    """The text without its fields and quotes, and what they ask for."""
    if ":" not in text and '"' not in text and "\u201c" not in text:
        return text, NO_FIELDS
    written = [
        (_FIELDS[match["field"].lower()], (match["quoted"] or match["curly"] or match["bare"]).strip())
        for match in _FIELD.finditer(text)
    ]
    text = _FIELD.sub(" ", text)
    rating = None
    for match in _RATING.finditer(text):
        rating = _stars(match)
    text = _RATING.sub(" ", text)
    quoted = [(match["straight"] or match["curly"]).strip() for match in _QUOTED.finditer(text)]
    text = _QUOTED.sub(lambda match: _described(match["straight"] or match["curly"]), text).strip()
    withdrawn = bool(_WITHDRAWS.fullmatch(text))
    if not text:
        # Nothing describes the photo, so they are all that it can be found by.
        written += [("", phrase) for phrase in quoted]
        quoted = []
    return "" if withdrawn else text, Fields(tuple(written[:_MOST]), rating, tuple(quoted[:_MOST]), withdrawn)


def is_literal(quoted: str) -> bool:
    """Whether a phrase in quotes stands for its letters alone: "no parking" is no photo without parking."""
    return bool(_NEGATES.search(quoted))


def _described(quoted: str) -> str:
    return " " if is_literal(quoted) else quoted


def _stars(match: re.Match[str]) -> tuple[int, int]:
    stars, sign = int(match["stars"]), match["sign"] or ""
    if match["most"]:
        return min(stars, int(match["most"])), max(stars, int(match["most"]))
    if match["more"] or sign == ">=":
        return stars, _MOST_STARS
    if sign == ">":
        return stars + 1, _MOST_STARS
    if sign in ("<", "<="):
        return 1, stars - (sign == "<")
    return stars, stars


def field_name(field: str) -> str:
    """How a field is typed."""
    return {"keywords": "keyword", "people": "person", "": "words"}.get(field, field)


def stars_text(rating: tuple[int, int]) -> str:
    """A rating as it is typed: "rating:>=4"."""
    least, most = rating
    if most >= _MOST_STARS and least < most:
        return f"rating:>={least}"
    return f"rating:{least}" if least == most else f"rating:{least}-{most}"
