"""Camera raw files: the preview or the sensor, upright, with their facts; and whatever is broken in one."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.errors import UnreadablePhoto
from indexer.indexing.events import RunNote
from indexer.photos import photo as photo_module
from indexer.photos.photo import Photo, open_photo
from tests import photos
from tests.indexer.colours import Workplace, counts
from tests.raw_photos import Camera, dng

pytest.importorskip("rawpy", reason="reads camera raw files; the extra `raw` brings it")
from indexer.photos.raw_decoder import DEVELOP as DEVELOP_TASK
from indexer.photos.raw_decoder import PREVIEW as PREVIEW_TASK
from indexer.photos.raw_decoder import answer

SIDE = 64
SIZE = (600, 400)
PREVIEW, SENSOR = photos.corners(SIZE), photos.corners(SIZE).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
"""Two pictures to tell apart: the preview has red at the top left, the sensor green."""

PLACES = ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9))
NAMED = {"red": photos.RED, "green": photos.GREEN, "blue": photos.BLUE, "white": photos.WHITE}
# What a viewer shows of red green / blue white, stored so, for each orientation a camera writes.
TURNED = {
    1: ["red", "green", "blue", "white"],
    3: ["white", "blue", "green", "red"],
    6: ["blue", "red", "white", "green"],
    8: ["green", "white", "red", "blue"],
}


def corners(photo: Photo) -> list[str]:
    """The names of the colours at the top left, top right, bottom left and bottom right."""
    shown = Image.open(io.BytesIO(photo.thumbnail)).convert("RGB")
    return [_colour_at(shown, *place) for place in PLACES]


def _colour_at(image: Image.Image, x: float, y: float) -> str:
    seen = image.getpixel((int(image.width * x), int(image.height * y)))
    assert isinstance(seen, tuple)
    return min(NAMED, key=lambda name: sum(abs(a - b) for a, b in zip(seen, NAMED[name], strict=True)))


def reason(path: Path) -> str:
    with pytest.raises(UnreadablePhoto) as caught:
        open_photo(path, SIDE)
    return caught.value.message


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("previewed", [True, False])
def test_each_orientation_comes_out_upright(tmp_path: Path, orientation: int, previewed: bool) -> None:
    path = dng(tmp_path / "a.dng", PREVIEW, PREVIEW if previewed else None, Camera(orientation=orientation))
    photo = open_photo(path, SIDE)
    assert photo.format == "RAW" and corners(photo) == TURNED[orientation]
    assert (photo.width, photo.height) == (SIZE if orientation in (1, 3) else SIZE[::-1])


def test_the_embedded_preview_is_taken_before_the_sensor(tmp_path: Path) -> None:
    photo = open_photo(dng(tmp_path / "a.dng", SENSOR, PREVIEW), SIDE)
    assert corners(photo)[0] == "red" and photo.image.size == SIZE


@pytest.mark.parametrize("preview", [None, PREVIEW.resize((160, 106)), b"\xff\xd8 no JPEG " * 99])
def test_the_sensor_is_developed_where_there_is_no_preview_of_use(
    tmp_path: Path, preview: Image.Image | bytes | None
) -> None:
    photo = open_photo(dng(tmp_path / "a.dng", SENSOR, preview), SIDE)
    assert corners(photo)[0] == "green"
    assert photo.image.size == (SIZE[0] // 2, SIZE[1] // 2) and (photo.width, photo.height) == SIZE


def test_a_sensor_that_sees_no_colours_gives_a_grey_photo(tmp_path: Path) -> None:
    photo = open_photo(dng(tmp_path / "a.dng", SENSOR, camera=Camera(model="M11 Monochrom", monochrome=True)), SIDE)
    seen = [photo.image.getpixel((int(photo.image.width * x), int(photo.image.height * y))) for x, y in PLACES]
    assert all(isinstance(each, tuple) and max(each) - min(each) < 8 for each in seen) and seen[2] != seen[3]
    assert (photo.width, photo.height) == SIZE


def test_a_preview_with_its_own_orientation_is_turned_by_that_once(tmp_path: Path) -> None:
    exif = photos.exif_bytes(orientation=6)
    photo = open_photo(dng(tmp_path / "a.dng", PREVIEW, PREVIEW, Camera(orientation=6), preview_exif=exif), SIDE)
    assert corners(photo) == TURNED[6]


def test_a_preview_that_was_saved_upright_is_left_so(tmp_path: Path) -> None:
    upright = PREVIEW.transpose(Image.Transpose.ROTATE_270)
    photo = open_photo(dng(tmp_path / "a.dng", PREVIEW, upright, Camera(orientation=6)), SIDE)
    assert corners(photo) == TURNED[6] and (photo.width, photo.height) == SIZE[::-1]


@pytest.mark.parametrize("previewed", [True, False])
def test_date_and_camera_are_the_files(tmp_path: Path, previewed: bool) -> None:
    exif = photos.exif_bytes(taken_at="1999:01:01 00:00:00", gps=(48.0, 11.0))
    path = dng(tmp_path / "IMG_20100101_000000.dng", PREVIEW, PREVIEW if previewed else None, preview_exif=exif)
    facts = open_photo(path, SIDE).facts
    assert (facts.taken_at, facts.taken_from) == (datetime(2021, 5, 6, 7, 8, 9), "exif")
    assert facts.camera == "Leica M10"
    assert facts.latitude == (48.0 if previewed else None)  # only the preview says where


def test_a_date_in_the_preview_goes_before_one_in_the_name(tmp_path: Path) -> None:
    exif = photos.exif_bytes(taken_at="1999:01:01 00:00:00")
    path = dng(tmp_path / "IMG_20100101_000000.dng", PREVIEW, PREVIEW, Camera(taken_at="none"), preview_exif=exif)
    facts = open_photo(path, SIDE).facts
    assert (facts.taken_at, facts.taken_from) == (datetime(1999, 1, 1), "exif")


def test_a_tiff_or_jpeg_named_as_a_raw_file_is_what_it_is(tmp_path: Path) -> None:
    for kind in ("TIFF", "JPEG"):
        PREVIEW.save(tmp_path / "a.nef", kind)
        assert open_photo(tmp_path / "a.nef", SIDE).format == kind


def test_a_cut_file_keeps_its_preview_and_without_one_says_so(tmp_path: Path) -> None:
    for name, preview in (("a.dng", PREVIEW), ("b.dng", None)):
        whole = dng(tmp_path / name, SENSOR, preview).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) - SIZE[0] * SIZE[1]])
    assert corners(open_photo(tmp_path / "a.dng", SIDE))[0] == "red"
    assert reason(tmp_path / "b.dng").startswith(("is damaged", "ends early"))
    (tmp_path / "c.dng").touch()
    assert reason(tmp_path / "c.dng") == "is empty"


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dng(tmp_path / "a.dng", SENSOR)
    monkeypatch.setattr(photo_module, "MAX_DECODED_PIXELS", 600 * 400 - 1)
    assert reason(path) == "is too large to open safely: 600x400"
    monkeypatch.setattr(photo_module, "MAX_WHOLE_BYTES", 400_000)
    assert "too large to open safely" in reason(path)


def flipped(folder: Path, data: st.DataObject) -> bytes:
    """A DNG with some bytes changed."""
    small = PREVIEW.resize((64, 48))
    content = bytearray(dng(folder / "whole.dng", small, data.draw(st.sampled_from([None, small]))).read_bytes())
    # The sensor's 6,144 bytes at the end may say anything.
    for place in data.draw(st.lists(st.integers(0, len(content) - 6_145), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    return bytes(content)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bytes_give_a_photo_or_a_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    (tmp_path / "mutated.dng").write_bytes(flipped(tmp_path, data))
    try:
        photo = open_photo(tmp_path / "mutated.dng", SIDE)
    except UnreadablePhoto as error:
        assert error.message.isprintable()
    else:
        assert photo.image.mode == "RGB" and photo.width > 0
    assert capfd.readouterr().err == ""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), task=st.sampled_from([PREVIEW_TASK, DEVELOP_TASK]))
def test_libraw_answers_whatever_it_is_given(tmp_path: Path, data: st.DataObject, task: str) -> None:
    told, pixels = answer([task], io.BytesIO(flipped(tmp_path, data)))
    if "error" not in told and task == DEVELOP_TASK:
        assert len(pixels) == int(str(told["columns"])) * int(str(told["rows"])) * 3
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "is damaged: its decoder crashed"),
        ("import time; time.sleep(60)", "takes too long to read"),
        ("import sys; print('noise', file=sys.stderr); sys.exit(1)", "is damaged: its decoder crashed"),
    ],
)
def test_a_file_that_breaks_libraw_is_one_line_and_costs_no_other(
    place: Workplace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, program: str, expected: str
) -> None:
    place.draw(3)
    path = dng(place.photos / "a.dng", SENSOR)
    broken = place.photos.with_name("broken.py")
    broken.write_text(program)
    monkeypatch.setattr("indexer.photos.extras._RAW_PROGRAM", broken)
    monkeypatch.setattr("indexer.photos.decoders._SECONDS", 1)
    assert reason(path) == expected
    assert counts(place.index()) == {"added": 3, "problems": 1}
    assert capfd.readouterr().err == ""


def test_what_libraries_below_print_stays_off_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    open_photo(dng(tmp_path / "a.dng", SENSOR, b"\xff\xd8 no JPEG " * 99), SIDE)
    assert capfd.readouterr() == ("", "")


def test_raw_files_are_indexed_like_others(place: Workplace) -> None:
    place.draw(3)
    dng(place.photos / "good.DNG", SENSOR, PREVIEW)
    dng(place.photos / "bad.dng", SENSOR).write_bytes(b"II*\0nothing")
    assert counts(place.index()) == {"added": 4, "problems": 1}
    with place.open() as library:
        [hit] = library.photos([library.image_for(place.photos / "good.DNG") or 0])
        assert hit.taken_at == datetime(2021, 5, 6, 7, 8, 9)


def test_without_the_extra_they_are_counted_and_named(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.photos.formats._is_installed", lambda module: module != "rawpy")
    place.draw(1)
    path = dng(place.photos / "a.dng", SENSOR, PREVIEW)
    assert counts(place.index()) == {"added": 1}
    notes = [event.text for event in place.events if isinstance(event, RunNote)]
    assert notes == ["1 .dng files are left out: `pip install rawpy` reads them."]
    assert open_photo(path, SIDE).format != "RAW"


def test_this_process_never_imports_the_extra(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from indexer.photos.photo import open_photo\n"
        "print(open_photo(Path(sys.argv[1]), 64).format, 'rawpy' in sys.modules)"
    )
    path = str(dng(tmp_path / "a.dng", PREVIEW))
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["RAW", "False"], done.stderr
