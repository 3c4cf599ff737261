"""What --after and --before understand."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dar_tui.cli.dates import parse_date
from dar_tui.language.when import Hemisphere
from indexer.errors import UsageError
from indexer.library import Library
from tests import photos
from tests.cli.conftest import Dar
from tests.cli.searched import default_library

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
    ("text", "part"),
    [
        ("2019-13", "there is no month 13"),
        ("2019-02-30", "2019-02 has no day 30"),
        ("2019-07-04 25:00", "no such time of day"),
        ("0001", "years from 1826"),
        ("9999", "years from 1826"),
        ("31.02.2019", "2019-02 has no day 31"),
        ("1.13.2019", "there is no month 13"),
        ("2019W54", "2019 has no week 54"),
        ("31 February 2019", "there is no such day"),
        ("2021-2020", "ends before it begins"),
        ("from 2021 to 2020", "ends before it begins"),
        ("june 2020 blurb", "'blurb' was not understood"),
        ("sometime in june 2020", "'sometime in' was not understood"),
        ("the dog of last summer", "'the dog of' was not understood"),
    ],
)
def test_what_was_not_understood_of_a_date_is_named(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        parse_date(text, "--after", NOW)


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


SYDNEY, MUNICH = (-33.8568, 151.2153), (48.1372, 11.5756)


def seasons_of(dar: Dar, folder: Path, *places: tuple[float, float] | None) -> Path:
    """Photos taken in the last summer of each hemisphere, north.jpg and south.jpg, and one at each place."""
    folder.mkdir()
    for seed, hemisphere in enumerate(Hemisphere):
        begins = parse_date("last summer", "--after", datetime.now(), hemisphere)
        photos.jpeg(folder / f"{hemisphere}.jpg", seed, taken_at=begins + timedelta(40))
    for seed, place in enumerate(places, 10):
        photos.jpeg(folder / f"{seed}.jpg", seed, gps=place)
    assert dar("index", folder).code == 0
    return folder


def found_last_summer(dar: Dar, script: Path, hemisphere: Hemisphere) -> set[str]:
    """What a search, a listing and a chat find of last summer; an option takes it for the same."""
    begins = parse_date("last summer", "--after", datetime.now(), hemisphere)
    option = dar("search", "red", "--after", "last summer", "--camera", "none")
    assert f"from {begins:%Y-%m-%d}" in option.err
    told = dar("search", "red last summer", "--json").json["understood"]["when"][0]
    assert told["first"] == f"{begins:%Y-%m-%d}"
    script.write_text("something red last summer\n")
    chat = dar("chat", "--script", script, "--json", "--no-imagine", "--no-questions").out.splitlines()[0]
    answers = [
        dar("search", "something red last summer", "--json").json,
        dar("search", "last summer", "--json").json,
        json.loads(chat),
    ]
    return {" ".join(Path(hit["path"]).stem for hit in each["hits"]) for each in answers}


def test_last_summer_is_where_most_photos_were_taken(dar: Dar, tmp_path: Path) -> None:
    seasons_of(dar, tmp_path / "photos", SYDNEY, SYDNEY, MUNICH, None)
    script = tmp_path / "script.txt"
    assert found_last_summer(dar, script, Hemisphere.SOUTH) == {"south"}
    # A session keeps to its seasons, whatever is set later.
    dar("config", "set", "hemisphere", "north")
    script.write_text("something red\n")
    resumed = dar("chat", "--resume", "--script", script, "--json", "--no-imagine", "--no-questions")
    assert [Path(hit["path"]).stem for hit in json.loads(resumed.out.splitlines()[0])["hits"]] == ["south"]
    assert found_last_summer(dar, script, Hemisphere.NORTH) == {"north"}
    with Library.open(default_library()) as library:
        assert library.is_southern()


def test_last_summer_is_the_norths_where_no_photo_says_otherwise(dar: Dar, tmp_path: Path) -> None:
    seasons_of(dar, tmp_path / "photos", None, MUNICH, SYDNEY)
    assert found_last_summer(dar, tmp_path / "script.txt", Hemisphere.NORTH) == {"north"}
    assert dar("config", "set", "hemisphere", "south").code == 0
    assert found_last_summer(dar, tmp_path / "script.txt", Hemisphere.SOUTH) == {"south"}
    wrong = dar("config", "set", "hemisphere", "east")
    assert wrong.code == 2 and "north" in wrong.err
