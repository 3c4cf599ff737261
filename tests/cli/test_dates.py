"""What --after and --before understand."""

from __future__ import annotations

from datetime import datetime

import pytest

from dar_tui.cli.dates import parse_date
from dar_tui.language.when import Hemisphere
from indexer.errors import UsageError

NOW = datetime(2024, 5, 20, 10, 11, 12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019", datetime(2019, 1, 1)),
        ("2019-07", datetime(2019, 7, 1)),
        ("2019-07-04", datetime(2019, 7, 4)),
        (" 2019-07-04  13:05 ", datetime(2019, 7, 4, 13, 5)),
        ("2019-07-04T13:05:06", datetime(2019, 7, 4, 13, 5, 6)),
        ("june 2020", datetime(2020, 6, 1)),
        ("3 May 2021", datetime(2021, 5, 3)),
        ("03.05.2021", datetime(2021, 5, 3)),
        ("1990s", datetime(1990, 1, 1)),
        ("the 90s", datetime(1990, 1, 1)),
        ("the 90's", datetime(1990, 1, 1)),
        ("the eighties", datetime(1980, 1, 1)),
        ("1 year ago", datetime(2023, 5, 20)),
        ("12 months ago", datetime(2023, 5, 20)),
        ("3 months ago", datetime(2024, 2, 20)),
        ("2019W05", datetime(2019, 1, 28)),
        ("2019-W05", datetime(2019, 1, 28)),
        ("Q3 2020", datetime(2020, 7, 1)),
        ("winter 2018/19", datetime(2018, 12, 1)),
        ("last summer", datetime(2023, 6, 1)),
        ("last year", datetime(2023, 1, 1)),
        ("easter", datetime(2024, 3, 28)),
        ("easter 2021", datetime(2021, 4, 1)),
        ("the week before Easter 2021", datetime(2021, 3, 28)),
        ("new year's day", datetime(2023, 12, 30)),
        ("3. mai 2019", datetime(2019, 5, 3)),
        ("december", datetime(2023, 12, 1)),
        ("yesterday", datetime(2024, 5, 19)),
        ("2 weeks ago", datetime(2024, 5, 6)),
        ("2 hours ago", datetime(2024, 5, 20, 8, 11, 12)),
        ("juni 2020", datetime(2020, 6, 1)),
    ],
)
def test_dates_name_the_moment_they_begin(text: str, expected: datetime) -> None:
    assert parse_date(text, "--after", NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "?",
        "2019-13",
        "2019-02-30",
        "0001",
        "9999",
        "some time",
        "19",
        "2021-2020",
        "31.02.2019",
        "31 February 2019",
        "2019W54",
        "spring roses",
        "dog",
        "5",
        "12",
        "last",
        "soon",
    ],
)
def test_what_is_no_date_is_a_usage_error_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="--before") as caught:
        parse_date(text, "--before", NOW)
    assert "june 2020" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "meant"),
    [("07/04/2019", "2019-07-04 or 2019-04-07"), ("12/25/2019", "2019-12-25"), ("25/12/2019", "2019-12-25")],
)
def test_dates_with_slashes_are_refused_with_what_they_may_mean(text: str, meant: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        parse_date(text, "--after", NOW)
    assert caught.value.hint == f"Write it as {meant}."


def test_last_summer_of_the_south_is_at_new_year() -> None:
    assert parse_date("last summer", "--after", NOW, Hemisphere.SOUTH) == datetime(2023, 12, 1)
