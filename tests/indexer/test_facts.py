"""Capture facts: dates, places and cameras that cameras write, and that strangers write wrongly."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from indexer.photos.facts import CaptureFacts, Taken
from indexer.photos.file_facts import date_in_name
from indexer.photos.metadata import orientation, read_facts
from tests import photos

# `open_photo` keeps Pillow's warnings of odd metadata quiet; here its parts are called alone.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")


def facts(exif: bytes) -> CaptureFacts:
    buffer = io.BytesIO()
    photos.picture().save(buffer, "JPEG", exif=exif)
    return read_facts(Image.open(buffer))


def test_a_cameras_facts_are_read(tmp_path: Path) -> None:
    path = photos.jpeg(
        tmp_path / "a.jpg",
        taken_at=datetime(2019, 7, 4, 12, 34, 56),
        gps=(-33.8568, 151.2153),
        camera=("Canon", "EOS R5"),
    )
    read = read_facts(Image.open(path))
    assert (read.taken_at, read.taken_from, read.camera) == (datetime(2019, 7, 4, 12, 34, 56), "exif", "Canon EOS R5")
    assert read.latitude == pytest.approx(-33.8568, abs=1e-5)
    assert read.longitude == pytest.approx(151.2153, abs=1e-5)


def test_a_photo_without_exif_has_no_facts() -> None:
    assert facts(b"") == CaptureFacts()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019:07:04 12:34:56", datetime(2019, 7, 4, 12, 34, 56)),
        ("2019-07-04 12:34:56", datetime(2019, 7, 4, 12, 34, 56)),
        ("2019/07/04 12:34", datetime(2019, 7, 4, 12, 34)),
        ("2019:07:04 24:10:00", datetime(2019, 7, 5, 0, 10)),  # as some phones write the hour after midnight
        ("2019:12:31 24:00:00", datetime(2020, 1, 1)),
        ("2019:07:04 12:34:60", datetime(2019, 7, 4, 12, 35)),
        ("2019: 7: 4 12:34:56", datetime(2019, 7, 4, 12, 34, 56)),
        ("2019: 7: 4  9: 5: 3", datetime(2019, 7, 4, 9, 5, 3)),
        ("2019:07:04   :  :  ", datetime(2019, 7, 4)),
        ("2019:07:00 00:00:00", datetime(2019, 7, 1)),
        ("2019-07-04T12:34:56.789+02:00", datetime(2019, 7, 4, 12, 34, 56)),
        ("2019:07:04:00:09:15", datetime(2019, 7, 4, 0, 9, 15)),  # as Minolta's DiMAGE E223 writes it
        ("2019:07:04", datetime(2019, 7, 4)),
        ("1826:06:01 00:00:00", datetime(1826, 6, 1)),
        ("0000:00:00 00:00:00", None),
        ("1800:01:01 00:00:00", None),
        ("2101:01:01 00:00:00", None),
        ("2019:02:30 00:00:00", None),
        ("2019:07:04 25:00:00", None),
        ("    :  :     :  :  ", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_exif_dates(text: str, expected: datetime | None) -> None:
    assert facts(photos.exif_bytes(taken_at=text)).taken_at == expected


def test_dates_fall_back_from_original_to_digitized_to_changed() -> None:
    exif = Image.Exif()
    exif[Base.DateTime] = "2003:01:01 00:00:00"
    details: dict[int, str] = {}
    exif[IFD.Exif] = details
    assert facts(exif.tobytes()).taken_at == datetime(2003, 1, 1)
    details[Base.DateTimeDigitized] = "2002:01:01 00:00:00"
    assert facts(exif.tobytes()).taken_at == datetime(2002, 1, 1)
    details[Base.DateTimeOriginal] = "2001:01:01 00:00:00"
    assert facts(exif.tobytes()).taken_at == datetime(2001, 1, 1)
    details[Base.DateTimeOriginal] = "0000:00:00 00:00:00"
    assert facts(exif.tobytes()).taken_at == datetime(2002, 1, 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("IMG_20190704_123456.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("IMG20190704123456.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("IMG_20190704_123456_1.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("PXL_20210101_123456789.jpg", datetime(2021, 1, 1, 12, 34, 56)),
        ("PXL_20210101_123456789.PORTRAIT.jpg", datetime(2021, 1, 1, 12, 34, 56)),
        ("IMG-20190704-WA0001.jpg", datetime(2019, 7, 4)),
        ("20190704_123456.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("20190704-123456(0).jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("20190704T123456.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("MVIMG_20190704_123456.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("Screenshot_20190704-123456.png", datetime(2019, 7, 4, 12, 34, 56)),
        ("Screenshot_2019-07-04-12-34-56.png", datetime(2019, 7, 4, 12, 34, 56)),
        ("Screenshot 2019-07-04 at 3.04.05 PM.png", datetime(2019, 7, 4, 15, 4, 5)),
        ("Screenshot 2019-07-04 at 12.04.05\u202fAM.png", datetime(2019, 7, 4, 0, 4, 5)),
        ("Screen Shot 2019-07-04 at 15.04.05.png", datetime(2019, 7, 4, 15, 4, 5)),
        ("2019-07-04 12.00.00.jpg", datetime(2019, 7, 4, 12)),
        ("2019-07-04 12.00.00-1.jpg", datetime(2019, 7, 4, 12)),
        ("WhatsApp Image 2019-07-04 at 12.34.56.jpeg", datetime(2019, 7, 4, 12, 34, 56)),
        ("signal-2019-07-04-123456.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("photo_2019-07-04_12-34-56.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        ("1975-06-01 wedding.jpg", datetime(1975, 6, 1)),
        ("2019_07_04 beach.jpg", datetime(2019, 7, 4)),
        ("2019.07.04.jpg", datetime(2019, 7, 4)),
        ("20190704.jpg", datetime(2019, 7, 4)),
        ("/somewhere/2001-01-01/IMG_20190704_123456.jpg", datetime(2019, 7, 4, 12, 34, 56)),
        (b"caf\xe9 2019-07-04.jpg", datetime(2019, 7, 4)),
        ("20191399.jpg", None),
        ("20190230.jpg", None),
        ("IMG_20190704123.jpg", None),
        ("19450508.jpg", None),
        ("IMG_1234.jpg", None),
        ("DSC_20190.jpg", None),
        ("0420190704.jpg", None),
        ("2019070499.jpg", None),
        ("20190704999999.jpg", None),
        ("a3f20190704c9e.jpg", None),
        ("44-2019-07-04.jpg", None),
        ("555.2019.07.04.jpg", None),
        ("+49 20190704 55.jpg", None),
        ("555-2019-0704.jpg", None),
        ("2019-13-99.jpg", None),
        ("9999-01-01.jpg", None),
        ("000000201912.jpg", None),
        ("2019.jpg", None),
        ("", None),
    ],
)
def test_dates_in_names(name: str | bytes, expected: datetime | None) -> None:
    text = date_in_name(name)
    assert (Taken(text, "name").moment if text else None) == expected


def with_gps(**changes: object) -> CaptureFacts:
    directory = photos.gps_directory(48.1372, -11.5756)
    for key, value in changes.items():
        if value is None:
            del directory[GPS[key]]
        else:
            directory[GPS[key]] = value
    exif = Image.Exif()
    exif[IFD.GPSInfo] = directory
    return facts(exif.tobytes())


def test_south_and_west_are_negative() -> None:
    place = with_gps()
    assert (place.latitude, place.longitude) == (pytest.approx(48.1372, abs=1e-5), pytest.approx(-11.5756, abs=1e-5))


@pytest.mark.parametrize(
    "changes",
    [
        {"GPSLatitude": None},
        {"GPSLatitude": (91.0, 0.0, 0.0)},
        {"GPSLongitude": (180.0, 0.0, 1.0)},
        {"GPSLatitude": (0.0, 0.0, 0.0), "GPSLongitude": (0.0, 0.0, 0.0)},
        {"GPSLatitude": (48.0, 8.0, 13.0, 1.0)},
    ],
)
def test_a_position_that_cannot_be_is_none(changes: dict[str, object]) -> None:
    place = with_gps(**changes)
    assert (place.latitude, place.longitude) == (None, None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"GPSLatitudeRef": None}, (48.1372, -11.5756)),
        ({"GPSLongitudeRef": None}, (48.1372, 11.5756)),
        ({"GPSLatitudeRef": None, "GPSLongitudeRef": None}, (48.1372, 11.5756)),
        ({"GPSLatitudeRef": "X"}, (48.1372, -11.5756)),
        ({"GPSLatitude": 48.1}, (48.1, -11.5756)),
    ],
)
def test_a_position_without_references_is_north_and_east_as_exiftool_reads_it(
    changes: dict[str, object], expected: tuple[float, float]
) -> None:
    place = with_gps(**changes)
    assert (place.latitude, place.longitude) == pytest.approx(expected, abs=1e-5)


def test_rationals_of_zero_over_zero_are_no_position() -> None:
    good = photos.exif_bytes(gps=(48.0, 11.0))
    assert facts(good).latitude == pytest.approx(48.0)
    # 48/1, in either byte order, becomes 0/0, as a camera without a fix writes it.
    broken = good.replace(b"\0\0\0\x30\0\0\0\x01", bytes(8)).replace(b"\x30\0\0\0\x01\0\0\0", bytes(8))
    assert broken != good
    assert facts(broken).latitude is None


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("Apple", "iPhone 11", "Apple iPhone 11"),
        ("  SONY  ", " DSC-RX100 ", "SONY DSC-RX100"),
        ("", "Pixel 4", "Pixel 4"),
        ("Google", "", "Google"),
        ("Bad\x1b[31m\nMaker", "M\x07odel", "Bad [31m Maker M odel"),
        ("Nul\0rubbish", "X", "Nul X"),
        ("", "", ""),
    ],
)
def test_camera_names(make: str, model: str, expected: str) -> None:
    assert facts(photos.exif_bytes(camera=(make, model))).camera == expected


def test_a_camera_name_without_end_is_cut() -> None:
    assert len(facts(photos.exif_bytes(camera=("M", "x" * 5000))).camera) <= 80


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=200), order=st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_any_exif_bytes_are_survived(body: bytes, order: bytes) -> None:
    read = facts(b"Exif\0\0" + order + body)
    assert read.camera.isprintable() or read.camera == ""


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_good_exif_with_broken_bytes_is_survived(data: st.DataObject) -> None:
    good = photos.exif_bytes(6, datetime(2019, 7, 4), (48.1, 11.5), ("Make", "Model"))
    content = bytearray(good)
    for place in data.draw(st.lists(st.integers(6, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    buffer = io.BytesIO()
    photos.picture().save(buffer, "JPEG", exif=bytes(content))
    image = Image.open(buffer)
    read = read_facts(image)
    assert 1 <= orientation(image) <= 8
    assert read.latitude is None or -90 <= read.latitude <= 90
    assert read.taken_at is None or 1826 <= read.taken_at.year <= 2100
