"""The words about a photo that other programs wrote into its file or beside it, and the words that stand in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class TextLine(NamedTuple):
    """A line of text read in a photo. `box`: left, top, right, bottom as shares of the upright photo's sides."""

    text: str
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    confidence: float = 1.0


@dataclass(frozen=True)
class Written:
    """What programs and their users wrote about a photo. `rating`: stars from 1 to 5, -1 rejected, None unknown."""

    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    rating: int | None = None

    def __bool__(self) -> bool:
        return self != Written()

    def to_json(self) -> str:
        """As it is stored: what is known alone; "" for nothing."""
        fields = {name: value for name, value in vars(self).items() if value not in ("", (), None)}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) if fields else ""

    @classmethod
    def from_json(cls, text: str) -> Written:
        """What `to_json` made. Raises ValueError, TypeError for anything else."""
        if not text:
            return cls()
        fields = json.loads(text)
        for name in ("keywords", "people"):
            fields[name] = tuple(fields.get(name, ()))
        return cls(**fields)


NOTHING_WRITTEN = Written()


def merged(parts: Iterable[Written]) -> Written:
    """All that is written, the first to say a thing winning; keywords and people of all, each once in any case."""
    parts = list(parts)
    return Written(
        next((part.title for part in parts if part.title), ""),
        next((part.description for part in parts if part.description), ""),
        _once(word for part in parts for word in part.keywords),
        _once(name for part in parts for name in part.people),
        next((part.rating for part in parts if part.rating is not None), None),
    )


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(text.casefold(), text)
    return tuple(found.values())
