"""Files that are no photos, hostile or damaged, or that cannot be read: one reason each, and nothing printed."""

from __future__ import annotations

import io
import os
import warnings
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from indexer.errors import UnreadablePhoto
from indexer.photos.photo import MAX_WHOLE_BYTES, content_hash, open_photo
from tests import photos
from tests.indexer.opened import SIDE, reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("empty.jpg", "is empty"),
        ("truncated.jpg", "ends early (truncated)"),
        ("truncated.png", "ends early (truncated)"),
        ("text.jpg", "is not an image, or not in a format that can be read here"),
        ("bomb.png", "is too large to open safely: 60000x60000"),
        ("bomb.jpg", "is too large to open safely: 60000x60000"),
    ],
)
def test_each_unreadable_file_says_why(tmp_path: Path, name: str, expected: str) -> None:
    assert reason(photos.HOSTILE[name](tmp_path / name)) == expected


@pytest.mark.parametrize("name", photos.HOSTILE)
def test_hostile_files_give_one_short_printable_line(tmp_path: Path, name: str) -> None:
    text = reason(photos.HOSTILE[name](tmp_path / name))
    assert text.isprintable() and 0 < len(text) < 160


def test_progressive_jpegs_are_capped_earlier_than_baseline_ones(tmp_path: Path) -> None:
    side = 14_000  # 196 megapixels
    assert "too large" in reason(photos.jpeg_bomb(tmp_path / "p.jpg", side, progressive=True))
    assert open_photo(photos.jpeg_bomb(tmp_path / "b.jpg", side), SIDE).width == side


def test_a_two_hundred_megapixel_phone_photo_opens(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    Image.new("L", (16_320, 12_240), 90).save(path, quality=30)
    photo = open_photo(path, 260)
    assert (photo.width, photo.height) == (16_320, 12_240)
    assert max(photo.image.size) < 2_100


def test_missing_files_folders_pipes_and_devices_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(tmp_path / "gone.jpg") == "is no longer there"
    for path in (tmp_path, tmp_path / "pipe.jpg", Path("/dev/zero")):
        assert reason(path) == "is not a regular file"
        with pytest.raises(UnreadablePhoto):
            content_hash(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_no_permission_is_said(tmp_path: Path) -> None:
    path = photos.jpeg(tmp_path / "a.jpg")
    path.chmod(0)
    assert reason(path) == "cannot be read: permission denied"


def test_a_read_error_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = photos.jpeg(tmp_path / "a.jpg")
    monkeypatch.setattr("indexer.photos.photo.os.open", refuse)
    assert reason(path) == "cannot be read: permission denied"


def test_any_cut_of_a_jpeg_is_a_photo_or_a_reason(tmp_path: Path) -> None:
    whole = photos.jpeg(tmp_path / "a.jpg", size=(64, 48), taken_at=datetime(2020, 1, 1)).read_bytes()
    for length in range(0, len(whole), 37):
        (tmp_path / "cut.jpg").write_bytes(whole[:length])
        try:
            assert open_photo(tmp_path / "cut.jpg", SIDE).damage
        except UnreadablePhoto as error:
            assert error.message


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bytes_give_a_photo_or_a_reason(tmp_path: Path, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    photos.picture(3, (48, 32)).save(buffer, data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])))
    content = bytearray(buffer.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "mutated.jpg").write_bytes(bytes(content))
    try:
        photo = open_photo(tmp_path / "mutated.jpg", SIDE)
    except UnreadablePhoto as error:
        assert error.message.isprintable()
    else:
        assert photo.image.mode == "RGB"


def test_decoders_warn_nobody_and_no_limit_of_pillow_is_changed(tmp_path: Path) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    path = tmp_path / "odd.jpg"
    Image.new("L", (10_000, 9_000), 90).save(path, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\0\0")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_photo(path, SIDE)
    assert caught == []
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_png_with_megabytes_of_metadata_is_opened(tmp_path: Path) -> None:
    """Picture editors write their whole history into one."""
    history, bomb = PngInfo(), PngInfo()
    history.add_itxt("XML:com.adobe.xmp", "<history/>" * 300_000, zip=True)
    for number in range(6):
        bomb.add_itxt(f"XML:{number}", " " * 15_000_000, zip=True)
    photos.picture().save(tmp_path / "a.png", pnginfo=history)
    assert open_photo(tmp_path / "a.png", SIDE).format == "PNG"
    photos.picture().save(tmp_path / "b.png", pnginfo=bomb)
    assert reason(tmp_path / "b.png") == "is damaged"


def test_a_directory_beyond_what_files_can_be_is_the_files_fault(tmp_path: Path) -> None:
    """Most file systems refuse to go there, as they refuse what is wrong with the disk."""
    path = tmp_path / "a.tif"
    path.write_bytes(b"II+\0\x08\0\0\0" + (2**60).to_bytes(8, "little") + b"\0" * 64)
    assert not reason(path).startswith("cannot be read")


def test_damaged_tiffs_write_nothing_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.tif"
    photos.picture(1).save(path, compression="tiff_lzw")
    content = bytearray(path.read_bytes())
    content[20:60] = bytes(40)
    path.write_bytes(content)
    assert reason(path) == "is damaged"
    assert capfd.readouterr().err == ""


def test_a_file_that_its_decoder_reads_whole_is_capped_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    photos.picture(1).save(path)
    os.truncate(path, MAX_WHOLE_BYTES + 1_000_000)  # with a hole, which takes no room on the disk
    assert reason(path) == f"is too large to open safely: {MAX_WHOLE_BYTES // 1_000_000 + 1} MB"
