"""Phrases of time, each said on 15 October 2024."""

import subprocess
import sys
from datetime import date, datetime

import pytest

from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.language.rules.dates import find_dates, not_a_stretch
from dar_tui.language.when import Days, Hemisphere, When, easter, last_of, season

NOW = datetime(2024, 10, 15, 12)


def only(text: str, hemisphere: Hemisphere = Hemisphere.NORTH) -> When:
    (found,) = find_dates(text, NOW, hemisphere)
    return found.when


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("in 2019", "2019-01-01", "2019-12-31"),
        ("in June 2020", "2020-06-01", "2020-06-30"),
        ("on May 3, 2019", "2019-05-03", "2019-05-03"),
        ("on 12 July 2016", "2016-07-12", "2016-07-12"),
        ("on 2018-02-28", "2018-02-28", "2018-02-28"),
        ("yesterday", "2024-10-14", "2024-10-14"),
        ("last Sunday", "2024-10-13", "2024-10-13"),
        ("last week", "2024-10-07", "2024-10-13"),
        ("last weekend", "2024-10-12", "2024-10-13"),
        ("last month", "2024-09-01", "2024-09-30"),
        ("last year", "2023-01-01", "2023-12-31"),
        ("last summer", "2024-06-01", "2024-09-22"),
        ("last winter", "2023-12-01", "2024-03-20"),
        ("last Christmas", "2023-12-15", "2024-01-06"),
        ("last June", "2024-06-01", "2024-06-30"),
        ("summer of 2018", "2018-06-01", "2018-09-22"),
        ("between 2015 and 2017", "2015-01-01", "2017-12-31"),
        ("from June to August 2019", "2019-06-01", "2019-08-31"),
        ("2015-2017", "2015-01-01", "2017-12-31"),
        ("before 2010", None, "2009-12-31"),
        ("since March 2021", "2021-03-01", None),
        ("after 2015", "2016-01-01", None),
        ("around 2012", "2010-12-31", "2014-01-01"),
        ("in the nineties", "1990-01-01", "1999-12-31"),
        ("in the 2000s", "2000-01-01", "2009-12-31"),
        ("in the 80s", "1980-01-01", "1989-12-31"),
        ("in early 2019", "2019-01-01", "2019-06-14"),
        ("at Easter 2021", "2021-04-01", "2021-04-06"),
        ("two years ago", "2022-01-01", "2023-04-16"),
        ("in the last 2 years", "2022-10-14", "2024-10-15"),
    ],
)
def test_stretches(text: str, first: str | None, last: str | None) -> None:
    days = [date.fromisoformat(day) if day else None for day in (first, last)]
    assert only(text).spans == (Days(*days),)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("at Christmas", date(2015, 12, 24)),
        ("at Christmas", date(2016, 1, 2)),
        ("in summer", date(2015, 7, 1)),
        ("in June", date(2015, 6, 30)),
        ("on 3 May", date(2015, 5, 3)),
        ("at New Year's Eve", date(2016, 1, 1)),
        ("on Valentine's Day", date(2015, 2, 14)),
    ],
)
def test_every_year(text: str, inside: date) -> None:
    when = only(text)
    assert when.holds(inside)
    assert not when.holds(date(2015, 10, 10))


@pytest.mark.parametrize(
    "text",
    [
        "on my birthday",
        "a summer dress",
        "he may fall",
        "a march in the rain",
        "in 2000 pieces",
        "at night",
        "room 2019b",
        "",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert find_dates(text, NOW, Hemisphere.NORTH) == []


def test_easter_sundays() -> None:
    # From the tables of the Church of England.
    for sunday in (date(2019, 4, 21), date(2021, 4, 4), date(2024, 3, 31), date(2038, 4, 25)):
        assert sunday in easter(sunday.year)


def test_summer_in_the_south_runs_over_new_year() -> None:
    when = only("last summer", Hemisphere.SOUTH)
    assert when.holds(date(2024, 1, 10)) and not when.holds(date(2024, 7, 10))


def test_last_summer_depends_on_the_day_of_speaking() -> None:
    summer = season("summer", Hemisphere.NORTH)
    assert last_of(summer, date(2024, 7, 1)).first == date(2023, 6, 1)
    assert last_of(summer, date(2024, 9, 10)).first == date(2024, 6, 1)


def test_bounds_hold_every_day_that_fits() -> None:
    when = only("in 2015 or 2017")
    assert when.bounds() == Days(date(2015, 1, 1), date(2017, 12, 31))
    assert not when.holds(date(2016, 6, 1))
    assert only("at Christmas").bounds() == Days(None, None)


def test_a_dialogue_never_imports_dateparser() -> None:
    code = (
        "import sys; from datetime import datetime; from dar_tui.dialogue.dialogue import Dialogue;"
        "import dar_tui.reformulate;"
        "now = datetime(2024, 10, 15); Dialogue().said('a dog on a beach', now).need();"
        "a = 'dateparser' in sys.modules;"
        "Dialogue().said('on 3 May 2019', now).need(); print(a, 'dateparser' in sys.modules,"
        " any(heavy in sys.modules for heavy in ('torch', 'numpy', 'textual', 'rich', 'PIL')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False", "False"]


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("a dog in spring or summer", ("a dog",)),
        ("a dog in spring 2019 or summer 2019", ("a dog",)),
        ("a dog in summer 2019 or summer 2020", ("a dog in summer",)),
        ("a dog in summer", ("a dog in summer",)),
    ],
)
def test_two_seasons_are_days_and_nothing_to_see(text: str, wants: tuple[str, ...]) -> None:
    need = Dialogue().said(text, NOW).need()
    assert need.wants == wants and need.when


def test_easter_without_a_year_is_the_last_one_before_and_after() -> None:
    # Easter Sunday was the 31st of March 2024.
    assert only("a lamb before Easter").bounds() == Days(None, date(2024, 3, 27))
    assert only("a lamb since Easter").bounds() == Days(date(2024, 3, 28), None)
    assert only("a lamb after Easter").bounds() == Days(date(2024, 4, 3), None)
    assert only("a lamb before Easter 2019").bounds() == Days(None, date(2019, 4, 17))
    assert len(only("a lamb at Easter").spans) > 50


@pytest.mark.parametrize("text", ["a dog 2021-2020", "between 2021 and 2020", "a dog from June 2020 to May 2020"])
def test_a_stretch_that_ends_before_it_begins_is_named(text: str) -> None:
    assert not find_dates(text, NOW, Hemisphere.NORTH)
    assert "ends before it begins" in not_a_stretch([text], NOW)


@pytest.mark.parametrize("text", ["a dog 2020-2021", "a dog", "from June to May", "between 2020 and 2020", "1920-1080"])
def test_other_texts_are_no_stretch_that_ends_before_it_begins(text: str) -> None:
    assert not not_a_stretch([text], NOW)
