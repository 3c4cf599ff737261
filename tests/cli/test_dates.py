"""What --after and --before understand."""

from __future__ import annotations

from datetime import datetime

import pytest

from dar_tui.cli.dates import parse_date
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
        ("03/05/2021", datetime(2021, 5, 3)),
        ("december", datetime(2023, 12, 1)),
        ("yesterday", datetime(2024, 5, 19)),
        ("2 weeks ago", datetime(2024, 5, 6)),
        ("2 hours ago", datetime(2024, 5, 20, 8, 11, 12)),
        ("juni 2020", datetime(2020, 6, 1)),
    ],
)
def test_dates_name_the_moment_they_begin(text: str, expected: datetime) -> None:
    assert parse_date(text, "--after", NOW) == expected


@pytest.mark.parametrize("text", ["", "  ", "?", "2019-13", "2019-02-30", "0001", "9999", "some time"])
def test_what_is_no_date_is_a_usage_error_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="--before") as caught:
        parse_date(text, "--before", NOW)
    assert "june 2020" in caught.value.hint
