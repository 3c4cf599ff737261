"""Which of several dates is believed, and what names, folders, sidecars and copies tell of a photo in a library."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.metadata import main as compare_with_exiftool
from dar_tui.cli.results import hit_json, table
from dar_tui.dialogue.dialogue import Dialogue
from dar_tui.fusion.finding import Filters, passing_of
from dar_tui.tui import wording
from indexer.indexing.events import RunNote
from indexer.photos.facts import CaptureFacts, FileFacts, Taken, best_taken, iso_date
from indexer.photos.file_facts import date_in_folders, date_in_name, read_file_facts, sidecars_of
from indexer.photos.metadata import properties
from indexer.photos.photo import open_photo, read_own_facts
from indexer.photos.scan import scan
from indexer.search.hits import Hit
from indexer.search.searching import Query, Term
from indexer.search.where import Where
from indexer.store.catalog import CATALOG_NAME, Catalog
from indexer.store.catalog_writer import CatalogWriter, ImageFields
from indexer.store.schema import keep_sealed
from tests import metadata_photos
from tests.indexer.colours import Workplace, counts
from tests.indexer.test_captions import as_schema
from tests.metadata_photos import Metadata, jpeg, png, takeout, tiff, webp, xmp

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")
JULY = "2019:07:04 12:34:56"


# Names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BURST20190704123456789.jpg", "2019-07-04T12:34:56"),
        ("00000IMG_00000_BURST20190704123456789_COVER.jpg", "2019-07-04T12:34:56"),
        ("P20190705_123456.jpg", "2019-07-05T12:34:56"),
        ("PXL_20210101_123456789.MP.jpg", "2021-01-01T12:34:56"),
        ("VID-20190704-WA0001.jpg", "2019-07-04"),
        ("Screenshot 2019-07-04 at 12.13.14.png", "2019-07-04T12:13:14"),
        ("Screenshot 2019-07-04 at 3.04 PM.png", "2019-07-04T15:04:00"),
        ("2019-7-4.jpg", "2019-07-04"),
        ("2019-7-4 beach.jpg", "2019-07-04"),
        ("04.07.2019.jpg", "2019-07-04"),
        ("4.7.2019 Strand.jpg", "2019-07-04"),
        ("25-12-2019.jpg", "2019-12-25"),
        ("12-25-2019.jpg", "2019-12-25"),
        ("signal-2019-07-04-123456.jpg", "2019-07-04T12:34:56"),
        ("signal-2019-07-04-12-34-56-789.jpg", "2019-07-04T12:34:56"),
        ("FB_IMG_1562243696123.jpg", "2019-07-04T12:34:56"),
        ("mmexport1562243696123.jpg", "2019-07-04T12:34:56"),
        ("WP_20140704_001.jpg", "2014-07-04"),
        ("WP_20140704_12_34_56_Pro.jpg", "2014-07-04T12:34:56"),
        ("IMG_20190704_0012.jpg", "2019-07-04"),
        ("1985-06-01.jpg", "1985-06-01"),
        ("04-07-2019.jpg", ""),
        ("render_2048_12_11.png", ""),
        ("2048-12-11.png", ""),
        ("+49 20190704 55.jpg", ""),
        ("0176-20190704.jpg", ""),
        ("(201) 907-0412.jpg", ""),
        ("1920x1080.jpg", ""),
        ("wallpaper 2560x1440.jpg", ""),
        ("2010-10-20x30.jpg", ""),
        ("1.2019.7.4.jpg", ""),
        ("v2019.7.4.1.jpg", ""),
        ("mmexport9962243696123.jpg", ""),
        ("FB_IMG_15622436961234.jpg", ""),
    ],
)
def test_dates_in_names(name: str, expected: str) -> None:
    assert date_in_name(name) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/photos/2017-08 Italy/a.jpg", "2017-08"),
        ("/photos/Italy 2017-08/a.jpg", "2017-08"),
        ("/photos/2017_08/a.jpg", "2017-08"),
        ("/photos/201708 Italy/a.jpg", "2017-08"),
        ("/photos/August 2017/a.jpg", "2017-08"),
        ("/photos/14 August 2017/a.jpg", "2017-08-14"),
        ("/photos/Aug 14, 2017/a.jpg", "2017-08-14"),
        ("/photos/2017-08-14 Birthday/raw/a.jpg", "2017-08-14"),
        ("/photos/2017-08-14 - 2017-08-20 Rome/a.jpg", "2017-08"),
        ("/photos/2017-12-28 - 2018-01-03 Rome/a.jpg", ""),
        ("/photos/14.08.2017/a.jpg", "2017-08-14"),
        ("/photos/20170814/a.jpg", "2017-08-14"),
        ("/photos/2017/a.jpg", "2017"),
        ("/photos/2017/08/a.jpg", "2017-08"),
        ("/photos/2017/08 August/a.jpg", "2017-08"),
        ("/photos/2017/08/14/a.jpg", "2017-08-14"),
        ("/photos/2017-08 Italy/2017/a.jpg", "2017-08"),
        ("/photos/2016/2017-08 Italy/a.jpg", "2017-08"),
        ("/photos/Photos from 2017/a.jpg", "2017"),
        ("/photos/Italy/a.jpg", ""),
        ("/photos/DCIM/100CANON/a.jpg", ""),
        ("/photos/100_1904/a.jpg", ""),
        ("/photos/1920x1080/a.jpg", ""),
        ("/photos/2017-18 season/a.jpg", ""),
        ("/photos/Blade Runner 2049/a.jpg", ""),
        ("/mnt/backup 2020-01-01/Italy/a.jpg", ""),
        ("/photos/takeout-20230101T120000Z-001/Trip/a.jpg", ""),
        ("2017-08.jpg", ""),
    ],
)
def test_dates_in_folders(path: str, expected: str) -> None:
    assert date_in_folders(path) == expected


moments = st.datetimes(datetime(1991, 1, 1), datetime(2025, 12, 31)).map(lambda moment: moment.replace(microsecond=0))


@settings(max_examples=200, deadline=None)
@given(moment=moments, counter=st.integers(0, 999))
def test_what_cameras_name_files_by_is_read_back(moment: datetime, counter: int) -> None:
    for way in (
        "IMG_{:%Y%m%d_%H%M%S}",
        "PXL_{:%Y%m%d_%H%M%S}" + f"{counter:03}",
        "{:%Y-%m-%d %H.%M.%S}" + f"-{counter}",
    ):
        assert date_in_name(way.format(moment) + ".jpg") == moment.isoformat()
    assert date_in_name(f"WP_{moment:%Y%m%d}_{counter:03}.jpg") == f"{moment:%Y-%m-%d}"


@settings(max_examples=300, deadline=None)
@given(name=st.text(alphabet="0123456789-_. :xTPIMGt+(), ", max_size=40))
def test_any_name_gives_a_date_or_none(name: str) -> None:
    for text in (date_in_name(name), date_in_folders(f"{name}/a.jpg")):
        assert not text or Taken(text, "name").moment <= datetime.now() + timedelta(days=2)


# The order of trust


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([("2023-05-05T10:00:00", "modified"), ("2019-07-04", "name")], ("2019-07-04", "name")),
        ([("2020-01-01T10:00:00", "modified"), ("1985-06-01", "name")], ("1985-06-01", "name")),
        ([("2017-08", "folder"), ("2019-07-04", "name")], ("2019-07-04", "name")),
        ([("2023-05-05T10:00:00", "modified"), ("2017-08", "folder")], ("2017-08", "folder")),
        ([("2017-08-14T10:00:00", "modified"), ("2017-08", "folder")], ("2017-08-14T10:00:00", "folder")),
        ([("1980-01-01T00:01:02", "exif"), ("2017-08", "folder")], ("2017-08", "folder")),
        ([("2002-12-08T12:00:00", "exif"), ("2014-01-05T10:00:00", "modified")], ("2014-01-05T10:00:00", "modified")),
        ([("2002-12-08T12:00:00", "exif")], ("2002-12-08T12:00:00", "exif")),
        ([("1970-01-01", "name"), ("2014-01-05T10:00:00", "modified")], ("1970-01-01", "name")),
        ([("2019", "xmp"), ("2018-01-01", "iptc"), ("2019-05", "png")], ("2019-05", "xmp")),
        ([], None),
    ],
)
def test_the_best_date_is_believed(claims: list[tuple[str, str]], expected: tuple[str, str] | None) -> None:
    for order in (claims, claims[::-1]):
        best = best_taken(Taken(*claim) for claim in order)
        assert best == (Taken(*expected) if expected else None)


@pytest.mark.parametrize(
    ("text", "source", "unsure"),
    [
        ("2019-07-04T12:34:56", "exif", False),
        ("2019-07-04", "name", False),
        ("2019-07", "folder", True),
        ("2019", "folder", True),
        ("2019-07-04T12:34:56", "modified", True),
        ("1970-01-01T00:00:00", "exif", True),
        ("1980-01-01T00:31:00", "exif", True),
        ("2002-12-08T12:00:00", "exif", True),
        ("2002-12-08T12:00:01", "exif", False),
        ("1980-01-01", "name", False),
    ],
)
def test_what_is_unsure(text: str, source: str, unsure: bool) -> None:
    assert Taken(text, source).is_unsure == unsure


SOURCES: dict[str, tuple[Callable[..., bytes], str, Metadata, str]] = {
    "original": (jpeg, ".jpg", Metadata(original=JULY, digitized="2020:01:02 03:04:05"), "exif"),
    "digitized": (jpeg, ".jpg", Metadata(digitized=JULY, xmp={"photoshop:DateCreated": "2020-01-02"}), "exif"),
    "xmp": (jpeg, ".jpg", Metadata(xmp={"exif:DateTimeOriginal": "2019-07-04T12:34:56"}, iptc=("20200102", "")), "xmp"),
    "photoshop": (jpeg, ".jpg", Metadata(xmp={"photoshop:DateCreated": "2019-07-04T12:34:56.5+02:00"}), "xmp"),
    "xmp in PNG": (
        png,
        ".png",
        Metadata(xmp={"exif:DateTimeOriginal": "2019-07-04T12:34:56"}, png="2020:01:02"),
        "xmp",
    ),
    "xmp in WebP": (webp, ".webp", Metadata(xmp={"exif:DateTimeOriginal": "2019-07-04T12:34:56"}), "xmp"),
    "xmp in TIFF": (tiff, ".tif", Metadata(xmp={"exif:DateTimeOriginal": "2019-07-04T12:34:56"}), "xmp"),
    "iptc": (jpeg, ".jpg", Metadata(iptc=("20190704", "123456+0200"), modified="2020:01:02 03:04:05"), "iptc"),
    "iptc in TIFF": (tiff, ".tif", Metadata(iptc=("20190704", "123456")), "iptc"),
    "png": (png, ".png", Metadata(png="Thu, 04 Jul 2019 12:34:56 +0200", modified="2020:01:02 03:04:05"), "png"),
    "png, as most write it": (png, ".png", Metadata(png="2019:07:04 12:34:56"), "png"),
    "created": (
        jpeg,
        ".jpg",
        Metadata(xmp={"xmp:CreateDate": "2019-07-04T12:34:56"}, modified=JULY[:9] + "5"),
        "modified",
    ),
    "modified": (jpeg, ".jpg", Metadata(modified=JULY), "modified"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_each_source_is_read_with_the_pixels_and_by_the_headers(tmp_path: Path, kind: str) -> None:
    writer, suffix, metadata, source = SOURCES[kind]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(writer(metadata))
    for facts in (open_photo(path, 32).facts, read_own_facts(path)):
        assert facts.taken == Taken("2019-07-04T12:34:56", source)


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_xmp_in_heif_is_read(tmp_path: Path, kind: str) -> None:
    module = pytest.importorskip({"HEIF": "pillow_heif", "AVIF": "pillow_avif"}[kind], reason="the extra `heif`")
    if kind == "HEIF":
        module.register_heif_opener()
    path = tmp_path / {"HEIF": "a.heic", "AVIF": "a.avif"}[kind]
    try:
        metadata_photos.picture().save(path, kind, xmp=xmp({"photoshop:DateCreated": "2019-07-04T12:34:56"}))
    except (KeyError, RuntimeError, OSError) as error:
        pytest.skip(f"no encoder for {kind} here: {error}")
    for facts in (open_photo(path, 32).facts, read_own_facts(path)):
        assert facts.taken == Taken("2019-07-04T12:34:56", "xmp")


def test_xmp_tells_where(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(Metadata(xmp_place=("33,26.934S", "70,40,9.48W"))))
    facts = read_own_facts(path)
    assert (facts.latitude, facts.longitude) == (pytest.approx(-33.4489), pytest.approx(-70.6693))


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<",
        b"no xml at all",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
        b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>',
        b"<a/>",
        b"<a>" * 100_000,
        xmp({"exif:DateTimeOriginal": "2019"})[:-60],
    ],
)
def test_hostile_xmp_has_no_properties(packet: bytes) -> None:
    assert properties(packet) == {}


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="0123456789:-/. T+Z", max_size=30))
def test_any_written_date_is_one_or_none(text: str) -> None:
    found = iso_date(text)
    assert not found or 1826 <= Taken(found, "exif").moment.year <= 2101


# Sidecars


@pytest.mark.parametrize(
    ("photo", "beside"),
    [
        ("IMG.jpg", "IMG.jpg.json"),
        ("IMG.jpg", "IMG.jpg.supplemental-metadata.json"),
        ("IMG.jpg", "IMG.jpg.supplemental-meta.json"),
        ("IMG.jpg", "IMG.jpg.s.json"),
        ("IMG.jpg", "IMG.jpg..json"),
        ("IMG.JPG", "IMG.jpg.JSON"),
        ("IMG(1).jpg", "IMG.jpg(1).json"),
        ("IMG(1).jpg", "IMG.jpg.supplemental-metadata(1).json"),
        ("IMG(12).jpg", "IMG.jpg.supplem(12).json"),
        ("IMG-edited.jpg", "IMG.jpg.json"),
        ("IMG-edited.jpg", "IMG.jpg.supplemental-metadata.json"),
        ("IMG-edited(1).jpg", "IMG.jpg(1).json"),
        ("IMG-bearbeitet.jpg", "IMG.jpg.json"),
        ("IMG.jpg", "IMG.json"),
        ("Screenshot_2017-07-05-10-05-26.png", "Screenshot_2017-07-05-10-05-26.png.supplementa.json"),
        ("Urlaub in Knaufspesch in der Schneifel (38).JPG", "Urlaub in Knaufspesch in der Schneifel (38).JP.json"),
        ("Urlaub in Knaufspesch in der Schneifel am Meer.jpg", "Urlaub in Knaufspesch in der Schneifel am Meer.json"),
        ("IMG.jpg", "IMG.xmp"),
        ("IMG.jpg", "IMG.jpg.xmp"),
        ("IMG.jpg", "IMG.JPG.XMP"),
    ],
)
def test_what_lies_beside_a_photo_is_found(tmp_path: Path, photo: str, beside: str) -> None:
    for name in (photo, beside, "IMG_2.jpg.json", "metadata.json", "other.xmp"):
        (tmp_path / name).write_bytes(b"x")
    (file,) = scan(tmp_path).files
    assert file.sidecars == (beside.encode(),)


@pytest.mark.parametrize(
    ("photo", "beside"),
    [
        ("IMG.jpg", "IMG(1).jpg.json"),
        ("IMG.jpg", "IMG.jpg(1).json"),
        ("IMG(1).jpg", "IMG.jpg.json"),
        ("IMG.jpg", "IMG.png.json"),
        ("IMG.jpg", "IMG.jpg.supplemental-data.json"),
        ("IMG.jpg", "IMG_1.xmp"),
    ],
)
def test_what_belongs_to_another_photo_does_not(photo: str, beside: str) -> None:
    assert sidecars_of(photo.encode(), {beside.lower().encode(): beside.encode()}) == ()


def sidecar_date(folder: Path, name: str, content: str | bytes, beside: str = "") -> Taken | None:
    path = folder / (beside or f"{name}.json")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file_facts(os.fsencode(folder / name), [os.fsencode(path)], 1).taken


def test_takeout_tells_the_local_time_where_it_can_be_known(tmp_path: Path) -> None:
    utc = datetime(2019, 7, 4, 22, 34, 56)
    assert sidecar_date(tmp_path, "IMG.jpg", takeout(utc)) == Taken("2019-07-04T22:34:56", "takeout")
    # Tokyo, where it is the next day, by the sun's time; and Paris by what the camera called the file.
    assert sidecar_date(tmp_path, "IMG.jpg", takeout(utc, (35.68, 139.69))) == Taken("2019-07-05T07:34:56", "takeout")
    named = "IMG_20190705_003455.jpg"
    assert sidecar_date(tmp_path, named, takeout(utc, (48.85, 2.35))) == Taken("2019-07-05T00:34:56", "takeout")
    # A name of another moment is of something else.
    assert sidecar_date(tmp_path, "IMG_20190705_004000.jpg", takeout(utc)) == Taken("2019-07-04T22:34:56", "takeout")


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "3", "{}", '{"photoTakenTime": 3}', '{"photoTakenTime": {"timestamp": "x"}}', "[" * 100_000),
        *('{"photoTakenTime": {"timestamp": "1e300"}}', '{"photoTakenTime": {"timestamp": "NaN"}}'),
        '{"photoTakenTime": {"timestamp": "-99999999999"}}',
    ],
)
def test_json_of_others_says_nothing(tmp_path: Path, content: str) -> None:
    assert sidecar_date(tmp_path, "IMG.jpg", content) is None


def test_takeout_goes_before_a_sidecar_and_that_before_a_name(tmp_path: Path) -> None:
    photo = os.fsencode(tmp_path / "2015-01-01.jpg")
    (tmp_path / "a.json").write_text(takeout(datetime(2019, 7, 4, 12), (48.0, 11.0)), encoding="utf-8")
    (tmp_path / "a.xmp").write_bytes(xmp({"exif:DateTimeOriginal": "2018-01-01", "exif:GPSLatitude": "1,0N"}))
    files = [os.fsencode(tmp_path / name) for name in ("a.json", "a.xmp")]
    both = read_file_facts(photo, files, 7)
    assert both.taken == Taken("2019-07-04T13:00:00", "takeout") and (both.latitude, both.stamp) == (48.0, 7)
    assert read_file_facts(photo, files[1:], 7).taken == Taken("2018-01-01", "sidecar")
    assert read_file_facts(photo, [], 7).taken == Taken("2015-01-01", "name")


def test_a_sidecar_that_cannot_be_read_is_read_by_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "a.xmp").mkdir()
    assert read_file_facts(os.fsencode(tmp_path / "a.jpg"), [os.fsencode(tmp_path / "a.xmp")], 7).stamp == 0


# In a library


def hits(place: Workplace) -> dict[str, Hit]:
    with place.open() as library:
        found = library.search(Query((Term(np.ones(48, np.float32)),)), k=100)
        return {hit.path.name: hit for hit in found}


def dated(place: Workplace) -> dict[str, tuple[str, str, bool]]:
    """By file: what the library says of when it was taken."""
    return {
        name: (hit.taken_at.isoformat() if hit.taken_at else "", hit.taken_from, hit.taken_unsure)
        for name, hit in hits(place).items()
    }


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def put(path: Path, metadata: Metadata | None = None, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(metadata or Metadata(), seed))
    return path


def test_a_name_is_believed_before_a_change(place: Workplace) -> None:
    put(place.photos / "IMG_20190704_123456.jpg", Metadata(modified="2023:01:02 03:04:05"), 1)
    put(place.photos / "1985-06-01.jpg", Metadata(modified="2020:01:02 03:04:05"), 2)
    put(place.photos / "2017-08 Italy" / "a.jpg", Metadata(modified="2023:01:02 03:04:05"), 3)
    put(place.photos / "b.jpg", Metadata(modified="2023:01:02 03:04:05"), 4)
    put(place.photos / "IMG_20180101_000000.jpg", Metadata(original="2002:12:08 12:00:00"), 5)
    put(place.photos / "c.jpg", Metadata(original="2002:12:08 12:00:00"), 6)
    place.index()
    assert dated(place) == {
        "IMG_20190704_123456.jpg": ("2019-07-04T12:34:56", "name", False),
        "1985-06-01.jpg": ("1985-06-01T00:00:00", "name", False),
        "a.jpg": ("2017-08-01T00:00:00", "folder", True),
        "b.jpg": ("2023-01-02T03:04:05", "modified", True),
        "IMG_20180101_000000.jpg": ("2018-01-01T00:00:00", "name", False),
        "c.jpg": ("2002-12-08T12:00:00", "exif", True),
    }


def test_of_a_photo_known_by_year_or_month_only_every_day_of_it_counts(place: Workplace) -> None:
    put(place.photos / "2017" / "year.jpg", seed=1)
    put(place.photos / "2017-08 Italy" / "month.jpg", seed=2)
    put(place.photos / "IMG_20170801_000000.jpg", seed=3)
    put(place.photos / "2017-01-01.jpg", seed=4)
    put(place.photos / "2018" / "default.jpg", Metadata(original="2002:12:08 12:00:00"), 5)
    put(place.photos / "undated.jpg", seed=6)
    place.index()

    def passing(after: str = "", before: str = "") -> set[str]:
        dates = [datetime.fromisoformat(each) if each else None for each in (after, before)]
        with place.open() as library:
            assert library.undated(Where(*dates, camera="none")) == 0 and library.undated(Where(*dates)) == 1
            return {hit.path.stem for hit in library.listing(Where(*dates), 99)}

    assert passing("2017-01-01", "2018-01-01") == {"year", "month", "IMG_20170801_000000", "2017-01-01"}
    assert passing("2017-01-02") == {"year", "month", "IMG_20170801_000000", "default"}
    assert passing("2017-08-20") == {"year", "month", "default"}
    assert passing("2017-08-20", "2017-08-21") == {"year", "month"}
    assert passing("2017-09-01", "2018-01-01") == {"year"}
    assert passing("2017-12-31T23:00:00") == {"year", "default"} and passing("2018-12-31") == {"default"}
    assert passing("2019-01-01") == set()
    assert passing(before="2017-08-01") == {"year", "2017-01-01"} and passing(before="2017-01-01") == set()
    days = {name.removesuffix(".jpg"): hit.taken_days for name, hit in hits(place).items()}
    assert days["year"] == (date(2017, 1, 1), date(2017, 12, 31))
    assert days["month"] == (date(2017, 8, 1), date(2017, 8, 31))
    assert days["2017-01-01"] == (date(2017, 1, 1), date(2017, 1, 1)) and days["undated"] is None
    assert days["default"] == (date(2018, 1, 1), date(2018, 12, 31))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in June 2017", {"year"}),
        ("in August 2017", {"year", "month"}),
        ("in summer", {"year", "month"}),
        ("in December", {"year"}),
        ("before June 2017", {"year"}),
        ("after August 2017", {"year"}),
        ("not in 2017", set()),
        ("not in August", {"year"}),
    ],
)
def test_a_year_or_month_may_be_what_is_spoken_of(place: Workplace, text: str, expected: set[str]) -> None:
    put(place.photos / "2017" / "year.jpg", seed=1)
    put(place.photos / "2017-08 Italy" / "month.jpg", seed=2)
    place.index()
    filters = Filters(Dialogue().said(f"a photo {text}", datetime(2024, 1, 1)).need().when)
    assert filters.when
    with place.open() as library:
        found = passing_of(lambda k: library.listing(filters.where, k), 9, filters)
    assert {hit.path.stem for hit in found} == expected


def test_an_unsure_date_is_shown_as_one(place: Workplace) -> None:
    put(place.photos / "a.jpg", Metadata(original="2002:12:08 12:00:00"), 1)
    put(place.photos / "b.jpg", Metadata(original=JULY), 2)
    place.index()
    first, second = sorted(hits(place).values(), key=lambda hit: hit.path)
    lines = table([first, second])
    assert "  about 2002-12-08  " in lines[1] and "  2019-07-04        " in lines[2]
    assert (
        len({line.index(word) for line, word in zip(lines, ("path", str(first.path), str(second.path)), strict=True)})
        == 1
    )
    assert (hit_json(first)["taken_unsure"], hit_json(second)["taken_unsure"]) == (True, False)
    assert wording.date(first) == "about 2002-12-08"
    assert ("taken", "about 2002-12-08 12:00") in wording.facts(first)
    assert ("taken", "2019-07-04 12:34") in wording.facts(second)


def test_a_renamed_file_is_dated_again_without_encoding(place: Workplace) -> None:
    path = put(place.photos / "IMG_20190704_123456.jpg")
    place.index()
    path = path.rename(place.photos / "IMG_20180101_101112.jpg")
    assert counts(place.index()) == {"moved": 1}
    assert dated(place) == {path.name: ("2018-01-01T10:11:12", "name", False)}
    path = path.rename(place.photos / "beach.jpg")
    place.index()
    assert dated(place) == {"beach.jpg": ("", "", False)}
    (place.photos / "2017-08 Italy").mkdir()
    path.rename(place.photos / "2017-08 Italy" / "beach.jpg")
    place.index()
    assert dated(place) == {"beach.jpg": ("2017-08-01T00:00:00", "folder", True)}
    assert place.encoder.encoded == 1


def test_among_copies_the_best_date_wins_whichever_is_read_first(place: Workplace) -> None:
    first = put(place.photos / "a.jpg", Metadata(modified="2023:01:02 03:04:05"))
    place.index()
    shutil.copy(first, place.photos / "z 2017-08-14.jpg")
    shutil.copy(first, place.photos / "m 2018-01-01.jpg")
    place.index()
    assert dated(place) == {"a.jpg": ("2017-08-14T00:00:00", "name", False)}
    (place.photos / "z 2017-08-14.jpg").unlink()
    place.index()
    assert dated(place) == {"a.jpg": ("2018-01-01T00:00:00", "name", False)}
    (place.photos / "m 2018-01-01.jpg").unlink()
    place.index()
    assert dated(place) == {"a.jpg": ("2023-01-02T03:04:05", "modified", True)}
    assert place.encoder.encoded == 1


def test_a_copy_that_leaves_with_its_folder_takes_its_date_along(place: Workplace, tmp_path: Path) -> None:
    first = put(place.photos / "a.jpg")
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(first, other / "2017-08-14.jpg")
    place.index(place.photos, other)
    assert [when for when, _, _ in dated(place).values()] == ["2017-08-14T00:00:00"]
    with place.open() as library:
        library.forget(other)
    assert dated(place) == {"a.jpg": ("", "", False)}


def test_a_sidecar_is_noticed_when_it_comes_changes_and_goes(place: Workplace) -> None:
    path = put(place.photos / "IMG.jpg")
    place.index()
    beside = place.photos / "IMG.jpg.json"
    beside.write_text(takeout(datetime(2019, 7, 4, 12), (48.1372, 11.5756)), encoding="utf-8")
    assert counts(place.index()) == {"unchanged": 1}
    assert dated(place) == {"IMG.jpg": ("2019-07-04T13:00:00", "takeout", False)}
    assert hits(place)["IMG.jpg"].latitude == 48.1372
    beside.write_text(takeout(datetime(2018, 1, 1, 12, 30)), encoding="utf-8")
    place.index()
    assert dated(place) == {"IMG.jpg": ("2018-01-01T12:30:00", "takeout", False)}
    assert hits(place)["IMG.jpg"].latitude is None
    path.with_suffix(".xmp").write_bytes(xmp({"exif:DateTimeOriginal": "2017-01-01T10:00:00"}))
    beside.unlink()
    place.index()
    assert dated(place) == {"IMG.jpg": ("2017-01-01T10:00:00", "sidecar", False)}
    path.with_suffix(".xmp").unlink()
    assert counts(place.index()) == {"unchanged": 1}
    assert dated(place) == {"IMG.jpg": ("", "", False)}
    assert place.encoder.encoded == 1


def test_a_run_without_news_reads_no_facts(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    put(place.photos / "IMG.jpg")
    (place.photos / "IMG.jpg.json").write_text(takeout(datetime(2019, 7, 4, 12)), encoding="utf-8")
    place.index()
    monkeypatch.setattr("indexer.indexing.reading.read_file_facts", lambda *_: pytest.fail("read again"))
    assert counts(place.index()) == {"unchanged": 1}


def test_encoding_for_another_encoder_keeps_what_sidecars_said(place: Workplace) -> None:
    put(place.photos / "IMG.jpg")
    (place.photos / "IMG.jpg.json").write_text(takeout(datetime(2019, 7, 4, 12)), encoding="utf-8")
    place.index()
    place.encoder.id = "test-colours-2"
    place.index(encoder_spec="test-colours-2", switch_encoder=True)
    assert place.encoder.encoded == 2
    assert dated(place) == {"IMG.jpg": ("2019-07-04T12:00:00", "takeout", False)}


def test_a_library_of_before_gets_its_dates_at_the_next_run(place: Workplace) -> None:
    put(place.photos / "IMG_20190704_123456.jpg", Metadata(modified="2023:01:02 03:04:05"), 1)
    put(place.photos / "b.jpg", Metadata(xmp={"photoshop:DateCreated": "2018-01-01"}, xmp_place=("48,0N", "11,0E")), 2)
    put(place.photos / "c.jpg", Metadata(original=JULY), 3)
    place.index()
    with closing(CatalogWriter.open(place.library_path / CATALOG_NAME)) as catalog:
        # As dar read them when schema 3 was the newest.
        catalog.connection.execute("UPDATE images SET latitude = NULL, longitude = NULL, taken_from = 'exif'")
        catalog.connection.execute("UPDATE images SET taken_at = NULL, taken_from = '' WHERE own_latitude IS NOT NULL")
        catalog.connection.execute("UPDATE images SET taken_at = own_taken_at WHERE own_taken_from = 'modified'")
    as_schema(place.library_path, 3)
    before = {
        "IMG_20190704_123456.jpg": ("2023-01-02T03:04:05", "exif", False),
        "b.jpg": ("", "", False),
        "c.jpg": ("2019-07-04T12:34:56", "exif", False),
    }
    assert dated(place) == before
    place.index(dry_run=True)
    assert dated(place) == before
    assert counts(place.index()) == {"unchanged": 3}
    assert dated(place) == {
        "IMG_20190704_123456.jpg": ("2019-07-04T12:34:56", "name", False),
        "b.jpg": ("2018-01-01T00:00:00", "xmp", False),
        "c.jpg": ("2019-07-04T12:34:56", "exif", False),
    }
    assert hits(place)["b.jpg"].latitude == 48.0
    assert place.encoder.encoded == 3 and not [event for event in place.events if isinstance(event, RunNote)]


def test_what_an_older_dar_read_counts_until_it_is_read_again(place: Workplace, tmp_path: Path) -> None:
    away = tmp_path / "away"
    first = put(away / "IMG_20190704_123456.jpg")
    place.index(away)
    as_schema(place.library_path, 3)
    (place.photos / "copy.jpg").write_bytes(first.read_bytes())
    away.rename(tmp_path / "unplugged")
    place.index(place.photos)
    assert {when for when, _, _ in dated(place).values()} == {"2019-07-04T12:34:56"}


kinds = st.sampled_from(["2019-07-04T12:34:56", "2019-07-04", "2019-07", "2018", "1980-01-01T00:00:00", ""])
claims = st.builds(
    lambda text, source: Taken(text, source) if text else None, kinds, st.sampled_from(["exif", "name", "modified"])
)
positions = st.sampled_from([(None, None), (48.0, 11.0), (1.0, 2.0)])
steps = st.one_of(
    st.tuples(st.just("file"), st.integers(0, 2), st.integers(0, 1), claims, positions),
    st.tuples(st.just("own"), st.integers(0, 1), st.just(0), claims, positions),
    st.tuples(st.sampled_from(["drop", "problem"]), st.integers(0, 2), st.just(0), st.none(), st.just((None, None))),
)


@settings(max_examples=50, deadline=None)
@given(history=st.lists(st.lists(steps, min_size=1, max_size=3), min_size=4, max_size=8))
def test_an_images_facts_are_the_best_of_its_bytes_and_files_after_any_history(history: list[list[Any]]) -> None:
    """However files came, changed and went: what counts is what is there now."""
    connection = Catalog.empty().connection
    keep_sealed(connection)
    with closing(CatalogWriter(connection)) as catalog:
        with catalog.transaction():
            catalog.claim(b"/p")
            images = [catalog.put_image(bytes([number]) * 16, ImageFields(1, 2, 3, "PNG")) for number in range(2)]
        files: dict[int, tuple[int, FileFacts]] = {}
        own = [CaptureFacts(), CaptureFacts()]
        for batch in history:
            with catalog.transaction():
                for kind, number, which, taken, position in batch:
                    if kind == "file":
                        files[number] = which, FileFacts(taken, *position)
                        catalog.put_file(b"/p/%d" % number, 1, 1, images[which], files[number][1])
                    elif kind == "own":
                        own[number] = CaptureFacts(taken, *position)
                        catalog.put_own_facts(images[number], own[number])
                    else:
                        files.pop(number, None)
                        catalog.drop(b"/p/%d" % number) if kind == "drop" else catalog.put_problem(
                            b"/p/%d" % number, 1, 1, "is damaged"
                        )
        for which, record in enumerate(catalog.images(images).values()):
            held = [facts for holds, facts in files.values() if holds == which]
            if held:
                dates = sorted((each.taken for each in held if each.taken), key=lambda taken: taken.text)
                best = best_taken([*([own[which].taken] if own[which].taken else []), *dates])
                assert (record.taken_at, record.taken_from) == ((best.moment, best.source) if best else (None, ""))
                assert record.taken_unsure == (best is not None and best.is_unsure)
                places = {each.latitude for each in (own[which], *held)} - {None}
                assert record.latitude in (places or {None})
                assert own[which].latitude in (None, record.latitude)


# Against ExifTool


def test_photos_with_metadata_of_every_kind_are_read(tmp_path: Path) -> None:
    made = metadata_photos.make(tmp_path)
    facts: list[CaptureFacts] = [read_own_facts(path) for path in made]
    assert len(made) >= 300
    sources = {each.taken_from for each in facts}
    assert sources == {"exif", "xmp", "iptc", "png", "modified", ""}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="ExifTool is not installed")
def test_dates_and_places_are_exiftools() -> None:
    import typer

    with pytest.raises(typer.Exit) as ended:
        compare_with_exiftool(None)
    assert ended.value.exit_code == 0
