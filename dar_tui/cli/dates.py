"""What --after and --before take for a date: 2019, "june 2020", 2021-05-03, "3 weeks ago".

Each names the moment its period begins, local time. So `--after 2019 --before 2020` is the year 2019 and nothing else.
"""

from __future__ import annotations

import re
from datetime import datetime

from indexer.errors import UsageError

# From the first photograph on; dateparser reads the year 5 out of what it does not understand.
YEARS = range(1826, 2101)
_NUMERIC = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2}):(\d\d)(?::(\d\d))?)?)?)?")


def parse_date(text: str, option: str, now: datetime) -> datetime:
    """The naive local time at which what `text` names begins. Raises UsageError, naming the option."""
    text = " ".join(text.split())
    found: datetime | None = None
    if match := _NUMERIC.fullmatch(text):
        year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups())
        try:
            found = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0)
        except ValueError:
            found = None
        else:
            found = found if found.year in YEARS else None
    elif re.search(r"\w", text):
        found = _parse_words(text, now)
    if found is None:
        raise UsageError(
            f"{option} {text!r} is not a date.",
            'Write it like 2019, 2019-07, 2019-07-04, "june 2020" or "2 weeks ago".',
        )
    return found


def _parse_words(text: str, now: datetime) -> datetime | None:
    # 0.3 s to import, so not for what the pattern above reads.
    import dateparser  # type: ignore[import-untyped]

    found = dateparser.parse(
        text,
        settings={
            "RELATIVE_BASE": now,
            "PREFER_DATES_FROM": "past",
            "PREFER_DAY_OF_MONTH": "first",
            "PREFER_MONTH_OF_YEAR": "first",
            "DATE_ORDER": "DMY",
            "RETURN_AS_TIMEZONE_AWARE": False,
        },
    )
    if found is None or found.year not in YEARS:
        return None
    # "yesterday" is a day, though dateparser gives the present time of it.
    return found if re.search(r"\d:\d\d|\d ?[ap]m\b|hour|minute", text, re.IGNORECASE) else _day_of(found)


def _day_of(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
