"""Phrases of time in messages: the days they mean (or none), and what of the message is left to the encoder."""

from __future__ import annotations

from datetime import datetime

import pytest

from dar_tui.language.rules import read
from dar_tui.language.turn import Turn

NOW = datetime(2024, 10, 15, 12)

DATED = """
in 2019 | 2019-01-01 to 2019-12-31 |
2019 | 2019-01-01 to 2019-12-31 |
a dog in 2019 | 2019-01-01 to 2019-12-31 | a dog
a dog in the 1990s | 1990-01-01 to 1999-12-31 | a dog
a dog in 1990s | 1990-01-01 to 1999-12-31 | a dog
a dog from the 90s | 1990-01-01 to 1999-12-31 | a dog
a dog from the 90's | 1990-01-01 to 1999-12-31 | a dog
a dog in the 1990's | 1990-01-01 to 1999-12-31 | a dog
the 90's | 1990-01-01 to 1999-12-31 |
the 1990's | 1990-01-01 to 1999-12-31 |
the eighties | 1980-01-01 to 1989-12-31 |
a band in the eighties | 1980-01-01 to 1989-12-31 | a band
in the early 2010s | 2010-01-01 to 2014-07-02 |
in the late 1980s | 1985-07-02 to 1989-12-31 |
in the mid 90s | 1992-07-02 to 1997-07-01 |
a dog on 2019-07-04 | 2019-07-04 | a dog
a dog on 04.07.2019 | 2019-07-04 | a dog
a dog on 07/04/2019 | 2019-04-07 or 2019-07-04 | a dog
a dog on 12/25/2019 | 2019-12-25 | a dog
a dog on 25/12/2019 | 2019-12-25 | a dog
a dog in 2019-07 | 2019-07-01 to 2019-07-31 | a dog
a dog in 2019W05 | 2019-01-28 to 2019-02-03 | a dog
a dog in 2019-W05 | 2019-01-28 to 2019-02-03 | a dog
a dog in 2020-W53 | 2020-12-28 to 2021-01-03 | a dog
a dog in Q3 2020 | 2020-07-01 to 2020-09-30 | a dog
a dog, Q1 2020 | 2020-01-01 to 2020-03-31 | a dog
in the winter of 2018/19 | 2018-12-01 to 2019-03-20 | in winter
winter 2018/19 | 2018-12-01 to 2019-03-20 | in winter
a dog in June 2020 | 2020-06-01 to 2020-06-30 | a dog
June 2020 | 2020-06-01 to 2020-06-30 |
a dog on 3 May 2019 | 2019-05-03 | a dog
a dog on May 3, 2019 | 2019-05-03 | a dog
a dog on the 3rd of May 2019 | 2019-05-03 | a dog
a dog on 29 February 2020 | 2020-02-29 | a dog
a dog on 3 May | 05-03 of any year | a dog
a dog on 29 February | 02-29 of any year | a dog
a dog in June | 06-01 to 06-30 of any year | a dog
a dog in May | 05-01 to 05-31 of any year | a dog
from 2015 to 2017 | 2015-01-01 to 2017-12-31 |
2015-2017 | 2015-01-01 to 2017-12-31 |
between March and May 2018 | 2018-03-01 to 2018-05-31 |
between 2015 and 2017 | 2015-01-01 to 2017-12-31 |
before 2010 | until 2009-12-31 |
a dog until 2010 | until 2009-12-31 | a dog
after 2015 | from 2016-01-01 on |
since 2015 | from 2015-01-01 on |
since last Christmas | from 2023-12-15 on | at Christmas
since March 2021 | from 2021-03-01 on |
before the 1990s | until 1989-12-31 |
yesterday | 2024-10-14 |
a dog today | 2024-10-15 | a dog
last Sunday | 2024-10-13 |
last Tuesday | 2024-10-08 |
last week | 2024-10-07 to 2024-10-13 |
this week | 2024-10-14 to 2024-10-20 |
last weekend | 2024-10-12 to 2024-10-13 |
last month | 2024-09-01 to 2024-09-30 |
last year | 2023-01-01 to 2023-12-31 |
this year | 2024-01-01 to 2024-12-31 |
last summer | 2024-06-01 to 2024-09-22 | in summer
last winter | 2023-12-01 to 2024-03-20 | in winter
last June | 2024-06-01 to 2024-06-30 |
last Christmas | 2023-12-15 to 2024-01-06 | at Christmas
last Easter | 2024-03-28 to 2024-04-02 | at Easter
at Easter 2021 | 2021-04-01 to 2021-04-06 | at Easter
the week before Easter 2021 | 2021-03-28 to 2021-04-03 | at Easter
the day after Easter 2021 | 2021-04-05 | at Easter
the week before June 2020 | 2020-05-25 to 2020-05-31 |
1 year ago | 2023-01-01 to 2024-04-15 |
a year ago | 2023-01-01 to 2024-04-15 |
two years ago | 2022-01-01 to 2023-04-16 |
3 weeks ago | 2024-09-21 to 2024-09-27 |
10 days ago | 2024-10-05 |
a couple of years ago | 2021-01-01 to 2023-04-16 |
in the last 2 years | 2022-10-14 to 2024-10-15 |
around 2012 | 2010-12-31 to 2014-01-01 |
in March or April 2012 | 2012-03-01 to 2012-03-31 or 2012-04-01 to 2012-04-30 |
in 2015 or 2017 | 2015-01-01 to 2015-12-31 or 2017-01-01 to 2017-12-31 |
on new year's day | 12-30 to 01-02 of any year | at new year's day
at New Year's Eve | 12-30 to 01-02 of any year | at New Year's Eve
on New Year's Day 2019 | 2018-12-30 to 2019-01-02 | at New Year's Day
on New Year's Eve 2019 | 2019-12-30 to 2020-01-02 | at New Year's Eve
at Christmas | 12-15 to 01-06 of any year | at Christmas
at Christmas 2018 | 2018-12-15 to 2019-01-06 | at Christmas
on Valentine's Day | 02-13 to 02-15 of any year | at Valentine's Day
at Halloween | 10-25 to 11-02 of any year | at Halloween
in summer | 06-01 to 09-22 of any year | in summer
a dog in winter | 12-01 to 03-20 of any year | a dog in winter
in spring or summer | 03-01 to 06-21 of any year or 06-01 to 09-22 of any year |
summer of 2018 | 2018-06-01 to 2018-09-22 | in summer
in early 2019 | 2019-01-01 to 2019-06-14 |
"""

# Each stays in the text as it is and filters nothing: a filter that is too narrow hides the photo.
UNDATED = """
a bunch of spring roses
a photo of May in a red dress
a child about to fall
March of the penguins
a march in the rain
Sunday best
april showers poster
a summer dress
in summer dress
august statue
a 1950s car
an 80s band
a spring or fall jacket
a second dog
Monday
noon
at night
in the morning
on my birthday
he may fall
in 2000 pieces
room 2019b
a girl named June
a woman of May
a card for April
a portrait of June
autumn leaves
a winter coat
a christmas tree
an easter egg
a halloween costume
fall colours
a spring in the forest
a water fall
a hot spring
the march past
a may pole
june bug
a 19 year old
bus 90
60s style furniture
a group of 90
a man in his 20s
a woman in her forties
1920x1080 screen
a sunday roast
a last supper
this dog
the past
a quarter
a week
the year
a yearbook
31.02.2019
2021-2020
"""


def _rows(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.strip()]


def test_the_tables_are_long() -> None:
    assert len(_rows(DATED)) + len(_rows(UNDATED)) >= 120


@pytest.mark.parametrize("row", _rows(DATED))
def test_phrases_of_time(row: str) -> None:
    phrase, days, rest = (part.strip() for part in row.split("|"))
    reading = read(Turn(phrase, NOW, None))
    assert (" or ".join(str(span) for when in reading.when for span in when.spans), ", ".join(reading.wants)) == (
        days,
        rest,
    )


@pytest.mark.parametrize("phrase", _rows(UNDATED))
def test_words_that_are_also_dates(phrase: str) -> None:
    assert read(Turn(phrase, NOW, None)).when == ()


@pytest.mark.parametrize("phrase", ["a bunch of spring roses", "a card for April", "a 1950s car"])
def test_what_is_no_date_stays_in_the_text(phrase: str) -> None:
    assert read(Turn(phrase, NOW, None)).wants == (phrase,)


def test_a_person_named_like_a_month_stays() -> None:
    assert read(Turn("a photo of May in a red dress", NOW, None)).wants == ("May in a red dress",)


def test_dates_that_end_before_they_begin_are_no_filter() -> None:
    assert read(Turn("from 2021 to 2020", NOW, None)).when == ()
