"""HEIC and AVIF: upright once, with their facts; bombs, cut and flipped files refused."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.errors import UnreadablePhoto
from indexer.photos import decoders
from indexer.photos.photo import MAX_WHOLE_BYTES, open_photo
from tests import photos
from tests.indexer.colours import Workplace, counts
from tests.indexer.test_raw import TURNED, corners

SIDE = 64
DATA = Path(__file__).parents[1] / "data"
SIZE = (600, 400)
KINDS = {"HEIF": "a.heic", "AVIF": "a.avif"}
EXTRAS = {"HEIF": "pillow_heif", "AVIF": "pillow_avif"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each format whose extra is here and can write as well as read."""
    name: str = request.param
    module = pytest.importorskip(EXTRAS[name], reason="the extra `heif` brings it")
    if name == "HEIF":
        module.register_heif_opener()
    try:
        Image.new("RGB", (64, 64)).save(io.BytesIO(), name)
    except (KeyError, RuntimeError, OSError) as error:
        pytest.skip(f"no encoder for {name} here: {error}")
    return name


def made(folder: Path, kind: str, size: tuple[int, int] = SIZE, exif: bytes = b"") -> Path:
    path = folder / KINDS[kind]
    photos.corners(size).save(path, kind, quality=90, **({"exif": exif} if exif else {}))
    return path


def reason(path: Path) -> str:
    with pytest.raises(UnreadablePhoto) as caught:
        open_photo(path, SIDE)
    return caught.value.message


@pytest.mark.parametrize("orientation", TURNED)
def test_a_turned_picture_is_turned_once(tmp_path: Path, kind: str, orientation: int) -> None:
    """Both writers put the turn into the container as phones do, and the EXIF still speaks of it."""
    photo = open_photo(made(tmp_path, kind, exif=photos.exif_bytes(orientation)), SIDE)
    assert photo.format == kind and corners(photo) == TURNED[orientation]
    assert (photo.width, photo.height) == (SIZE if orientation in (1, 3) else SIZE[::-1])


def test_an_avif_that_libheif_wrote_is_turned_once(tmp_path: Path) -> None:
    """Its turn is not marked as essential, which libavif refuses."""
    heif = pytest.importorskip("pillow_heif", reason="the extra `heif` brings it")
    pytest.importorskip("pillow_avif", reason="the extra `heif` brings it")
    before = {name: dict(getattr(Image, name)) for name in ("OPEN", "SAVE", "EXTENSION", "MIME")}
    try:
        heif.register_avif_opener()
        path = made(tmp_path, "AVIF", exif=photos.exif_bytes(6))
    finally:
        for name, known in before.items():
            registry = getattr(Image, name)
            registry.clear()
            registry.update(known)
    photo = open_photo(path, SIDE)
    assert photo.format == "AVIF" and corners(photo) == TURNED[6]


def test_facts_are_read(tmp_path: Path, kind: str) -> None:
    exif = photos.exif_bytes(6, "2021:05:06 07:08:09", (48.0, 11.0), ("Apple", "iPhone 11"))
    facts = open_photo(made(tmp_path, kind, exif=exif), SIDE).facts
    assert (facts.taken_at, facts.taken_from) == (datetime(2021, 5, 6, 7, 8, 9), "exif")
    assert (facts.latitude, facts.longitude, facts.camera) == (48.0, 11.0, "Apple iPhone 11")


def test_transparency_lies_over_white(tmp_path: Path, kind: str) -> None:
    image = Image.new("RGBA", (120, 80), (0, 0, 0, 0))
    image.paste((*photos.RED, 255), (0, 0, 60, 80))
    image.save(tmp_path / KINDS[kind], kind, quality=90)
    shown = open_photo(tmp_path / KINDS[kind], SIDE).image
    right = shown.getpixel((110, 40))
    assert isinstance(right, tuple) and min(right) > 240


def test_a_bomb_is_refused_by_its_header(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind, (64, 64))
    content = bytearray(path.read_bytes())
    place = content.index(b"ispe") + 8
    content[place : place + 8] = struct.pack(">II", 16_000, 16_000)
    path.write_bytes(content)
    # The decoders have caps of their own; whoever is first, nothing is decoded.
    assert reason(path) == "is too large to open safely: 16000x16000"
    content[place : place + 8] = struct.pack(">II", 1_000_000, 1_000_000)
    path.write_bytes(content)
    assert reason(path)


def test_a_file_of_any_length_is_not_read_into_memory(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind, (64, 64))
    os.truncate(path, MAX_WHOLE_BYTES + 1_000_000)
    assert reason(path) == f"is too large to open safely: {MAX_WHOLE_BYTES // 1_000_000 + 1} MB"


def test_empty_cut_and_foreign_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path, kind)
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 4)):
        path.write_bytes(whole[:length])
        text = reason(path)
        assert text.isprintable() and 0 < len(text) < 160
        assert (text == "is empty") == (length == 0)
    photos.picture().save(path, "JPEG")
    assert open_photo(path, SIDE).format == "JPEG"


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bytes_give_a_photo_or_a_reason(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    content = bytearray(made(tmp_path, kind, (64, 48)).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "mutated.heic"
    path.write_bytes(content)
    try:
        photo = open_photo(path, SIDE)
    except UnreadablePhoto as error:
        assert error.message.isprintable()
    else:
        assert photo.image.mode == "RGB" and photo.width > 0
    assert capfd.readouterr().err == ""


def test_they_are_indexed_like_others(place: Workplace, kind: str) -> None:
    place.draw(2)
    made(place.photos, kind)
    (place.photos / f"empty-{KINDS[kind]}").touch()
    assert counts(place.index()) == {"added": 3, "problems": 1}


def test_a_file_that_crashes_its_decoder_is_one_line(place: Workplace, capfd: pytest.CaptureFixture[str]) -> None:
    """540 bytes found by fuzzing, at which libheif 1.19.7 (pillow-heif 0.22) ends in a segmentation fault."""
    pytest.importorskip("pillow_heif", reason="the extra `heif` brings it")
    place.draw(3)
    crash = place.photos / "crash.heic"
    crash.write_bytes((DATA / "crash.heic").read_bytes())
    assert reason(crash).startswith("is damaged")
    assert counts(place.index()) == {"added": 3, "problems": 1}
    assert capfd.readouterr().err == ""


def test_this_process_never_imports_the_extras(tmp_path: Path, kind: str) -> None:
    script = (
        "import sys; from pathlib import Path; from indexer.photos.photo import open_photo\n"
        "print(open_photo(Path(sys.argv[1]), 64).format, {'pillow_heif', 'pillow_avif'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(made(tmp_path, kind))], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [kind, "set()"], done.stderr


def test_one_process_decodes_the_photos_of_a_run(place: Workplace, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    start = decoders._started

    def counted(program: Path) -> decoders.Process:
        started.append(program)
        return start(program)

    monkeypatch.setattr(decoders, "_started", counted)
    for number in range(6):
        photos.corners((80 + number, 60)).save(place.photos / f"{number}-{KINDS[kind]}", kind)
    assert counts(place.index(workers=1)) == {"added": 6} and len(started) == 1
