"""Names of places from latitude and longitude, and filters by them and by names of folders."""

from __future__ import annotations

import pytest

from indexer.errors import UsageError
from indexer.library import Library
from indexer.photos.places import called, names_of, plain, whereabouts
from indexer.search.where import Where
from indexer.store.catalog_writer import ImageFields
from tests.indexer.filled import fill, names

PARIS, FLORENCE, ZURICH, NEWARK, PACIFIC = (
    (48.8606, 2.3376),
    (43.7696, 11.2558),
    (47.3769, 8.5417),
    (40.7357, -74.1724),
    (0, -150),
)


def at(*places: tuple[float, float] | None) -> list[ImageFields]:
    return [
        ImageFields(10, 4, 3, "JPEG", latitude=place[0] if place else None, longitude=place[1] if place else None)
        for place in places
    ]


def test_places_have_city_region_and_country() -> None:
    found = names_of([PARIS, FLORENCE, NEWARK, PACIFIC])
    assert [(each.city, each.region, each.country) for each in found] == [
        ("Paris", "Île-de-France", "France"),
        ("Florence", "Tuscany", "Italy"),
        ("Newark", "New Jersey", "United States"),
        ("", "", ""),
    ]


def test_near_takes_towns_lakes_and_coordinates_and_says_what_it_does_not_know() -> None:
    assert whereabouts("45.98,9.25") == (45.98, 9.25, 25.0)
    assert whereabouts("Rome,20km")[2] == 20.0
    assert whereabouts("Lake Como")[:2] == pytest.approx((45.81, 9.08), abs=0.05)
    assert whereabouts("New York")[:2] == pytest.approx((40.71, -74.0), abs=0.05)
    assert whereabouts("München") == whereabouts("Munich")
    with pytest.raises(UsageError, match="Florencee") as raised:
        whereabouts("Florencee")
    assert "Florence" in raised.value.hint
    with pytest.raises(UsageError):
        whereabouts("95,9")


@pytest.mark.parametrize(
    ("asked", "meant"), [("USA", "United States"), ("U.K.", "United Kingdom"), ("zurich", "Zürich")]
)
def test_names_are_compared_without_accents_and_by_what_they_stand_for(asked: str, meant: str) -> None:
    assert plain(asked) == plain(meant)


@pytest.fixture
def placed(library: Library) -> Library:
    vector = fill(library, 5, folder=b"/home/jerome/photos", fields=at(PARIS, FLORENCE, ZURICH, NEWARK, None))
    fill(library, 2, start=100, folder=b"/home/jerome/photos/2017 Rome")
    with library.writer() as writer:
        writer.put_places()
    library.vector = vector[0]  # type: ignore[attr-defined]
    return library


@pytest.mark.parametrize(
    ("place", "photos"),
    [
        ("Paris", {0}), ("france", {0}), ("Italy", {1}), ("Firenze", {1}), ("Tuscany", {1}), ("Zurich", {2}),
        ("USA", {3}), ("Rome", {100, 101}), ("Turkey", set()), ("", set()),
    ],
)  # fmt: skip
def test_a_place_is_a_name_of_gps_or_of_a_folder(placed: Library, place: str, photos: set[int]) -> None:
    assert set(names(placed, placed.vector, Where(places=(place,)))) == photos  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("folder", "photos"),
    [("Rome", {100, 101}), ("rome", {100, 101}), ("2017", {100, 101}), ("jerome", set()), ("home", set()),
     ("photos/2017 Rome", {100, 101}), ("Paris", set())],
)  # fmt: skip
def test_a_folder_is_whole_words_below_the_root(placed: Library, folder: str, photos: set[int]) -> None:
    assert set(names(placed, placed.vector, Where(folders=(folder,)))) == photos  # type: ignore[attr-defined]


def test_a_hit_tells_its_place(placed: Library) -> None:
    from indexer.search.ranking import Query, Term

    hit = placed.search(Query((Term(placed.vector),)), 1, Where(places=("Italy",)))[0]  # type: ignore[attr-defined]
    assert hit.place == "Florence, Tuscany, Italy"
    # Named places are sealed as every row is; the moments are made at the end of a run.
    assert not [each for each in placed.verify(deep=True) if "moments" not in each]


@pytest.mark.parametrize(
    ("code", "common"),
    [("IT", "Italy"), ("KR", "South Korea"), ("RU", "Russia"), ("NL", "Holland"), ("IR", "Iran"), ("US", "USA")],
)
def test_countries_are_found_by_code_and_common_name(code: str, common: str) -> None:
    assert called(code) == called(common) == plain(common)


def test_a_word_of_two_letters_that_is_no_code_stays_a_word() -> None:
    # Only capitals are a code: "in de" is no Germany, and a folder called IT is no Italy.
    assert (called("de"), called("It"), plain("IT"), called("QQ")) == ("de", "it", "it", "qq")
