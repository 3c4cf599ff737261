"""Values of saved dialogues and sessions, each what it has to be. Raises TypeError or ValueError where it is not."""

from __future__ import annotations

from datetime import datetime

# Clocks go wrong, but not so far; at the calendar's ends no "last summer" can be worked out.
_YEARS = range(1900, 3000)


def text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def texts(value: object) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(text(each) for each in _listed(value))


def number(value: object) -> int:
    """A whole number from 0 on: a turn, a place in a list, a seed."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number of anything")
    return value


def numbers(value: object) -> tuple[int, ...]:
    """A list of whole numbers from 0 on."""
    return tuple(number(each) for each in _listed(value))


def moment(value: object) -> datetime:
    """A date and time of this age."""
    at = datetime.fromisoformat(text(value))
    if at.year not in _YEARS:
        raise ValueError(f"{value!r} is no time for anybody to say something")
    return at


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value
