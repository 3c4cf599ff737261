"""Decoding: orientation, modes, sizes, thumbnails, and the reason given for each file that cannot be read."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from indexer.errors import UnreadablePhoto
from indexer.photos.photo import MAX_WHOLE_BYTES, content_hash, open_photo
from tests import photos

SIDE = 64


def reason(path: Path | bytes) -> str:
    with pytest.raises(UnreadablePhoto) as caught:
        open_photo(path, SIDE)
    return caught.value.message


def at(image: Image.Image, x: float, y: float) -> tuple[int, int, int]:
    """The colour at a place given as fractions of width and height."""
    colour = image.getpixel((int(image.width * x), int(image.height * y)))
    assert isinstance(colour, tuple)
    return colour


def assert_near(colour: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 30) -> None:
    assert all(abs(a - b) <= tolerance for a, b in zip(colour, expected, strict=True)), (colour, expected)


# How each orientation stores an upright picture: the inverse of what a viewer has to do.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("size", [(120, 80), (1800, 1200)])
def test_every_orientation_comes_out_upright(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    upright = photos.corners(size)
    turn = STORED[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    photo = open_photo(photos.jpeg(tmp_path / "a.jpg", image=stored, orientation=orientation), SIDE)
    assert (photo.width, photo.height) == size
    for image in (photo.image, Image.open(io.BytesIO(photo.thumbnail))):
        assert image.width > image.height
        assert_near(at(image, 0.1, 0.1), photos.RED)
        assert_near(at(image, 0.9, 0.1), photos.GREEN)
        assert_near(at(image, 0.1, 0.9), photos.BLUE)


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        (".png", {}),
        (".webp", {"lossless": True}),
        (".tiff", {}),
        (".tiff", {"compression": "tiff_lzw"}),
        (".tiff", {"compression": "jpeg"}),
    ],
)
def test_orientation_of_other_formats_is_applied_too(tmp_path: Path, suffix: str, how: dict[str, object]) -> None:
    path = tmp_path / f"a{suffix}"
    stored = photos.corners().transpose(Image.Transpose.ROTATE_90)
    stored.save(path, exif=photos.exif_bytes(orientation=6, camera=("Leica", "M6")), **how)
    photo = open_photo(path, SIDE)
    assert (photo.width, photo.height) == (120, 80)
    assert_near(at(photo.image, 0.1, 0.1), photos.RED)
    assert photo.facts.camera == "Leica M6"


def test_an_impossible_orientation_counts_as_upright(tmp_path: Path) -> None:
    photo = open_photo(photos.jpeg(tmp_path / "a.jpg", image=photos.corners(), orientation=99), SIDE)
    assert_near(at(photo.image, 0.1, 0.1), photos.RED)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("a.jpg", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP"), ("a.gif", "GIF"), ("a.bmp", "BMP")),
        *(("a.tif", "TIFF"), ("a.jp2", "JPEG2000"), ("a.ppm", "PPM"), ("a.pgm", "PPM")),
    ],
)
def test_each_format_is_read(tmp_path: Path, name: str, kind: str) -> None:
    photos.corners().convert("L" if name == "a.pgm" else "RGB").save(tmp_path / name)
    photo = open_photo(tmp_path / name, SIDE)
    assert (photo.format, photo.width, photo.height, photo.image.mode) == (kind, 120, 80, "RGB")


def test_the_content_decides_not_the_suffix(tmp_path: Path) -> None:
    photos.corners().save(tmp_path / "really-a-png.jpg", "PNG")
    assert open_photo(tmp_path / "really-a-png.jpg", SIDE).format == "PNG"


def test_formats_outside_the_list_are_refused_whatever_their_name(tmp_path: Path) -> None:
    photos.corners().save(tmp_path / "postscript.jpg", "EPS")
    photos.corners().save(tmp_path / "icon.png", "ICO")
    assert "not an image" in reason(tmp_path / "postscript.jpg")
    assert "not an image" in reason(tmp_path / "icon.png")


def test_large_photos_shrink_and_small_ones_stay(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        photos.picture(1, (4000, 3000)).save(tmp_path / name)
        photo = open_photo(tmp_path / name, 260)
        assert 260 <= min(photo.image.size) <= 4 * 320
        assert (photo.width, photo.height) == (4000, 3000)
        assert max(Image.open(io.BytesIO(photo.thumbnail)).size) == 320
    small = open_photo(photos.jpeg(tmp_path / "s.jpg", size=(40, 30)), 260)
    assert small.image.size == Image.open(io.BytesIO(small.thumbnail)).size == (40, 30)


def test_a_very_long_photo_keeps_its_short_side(tmp_path: Path) -> None:
    photo = open_photo(photos.jpeg(tmp_path / "pano.jpg", size=(9000, 300)), 260)
    assert photo.image.height == 300
    assert Image.open(io.BytesIO(photo.thumbnail)).size == (320, 11)


def test_thumbnails_and_pictures_carry_no_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = photos.exif_bytes(1, "2019:07:04 12:00:00", (48.0, 11.0), ("Maker", "Model"))
    photos.picture(1).save(path, exif=exif, comment=b"my home address", icc_profile=b"x" * 200, dpi=(300, 300))
    photo = open_photo(path, SIDE)
    thumbnail = Image.open(io.BytesIO(photo.thumbnail))
    assert photo.image.info == {} and not photo.image.getexif()
    assert thumbnail.format == "JPEG" and not thumbnail.getexif()
    assert {"exif", "comment", "icc_profile"}.isdisjoint(thumbnail.info)
    assert b"home address" not in photo.thumbnail


def test_animations_give_their_first_frame(tmp_path: Path) -> None:
    for name in ("a.gif", "a.webp", "a.png"):
        assert_near(at(open_photo(photos.animated(tmp_path / name), SIDE).image, 0.5, 0.5), photos.RED)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "key"])
def test_transparency_lies_over_white(tmp_path: Path, mode: str) -> None:
    image = open_photo(photos.transparent(tmp_path / "a.png", mode), SIDE).image
    left = at(image, 0.1, 0.5)
    assert_near(left, photos.RED if mode != "LA" else (left[0],) * 3)
    assert left[1] < 200
    assert_near(at(image, 0.9, 0.5), photos.WHITE, 2)


def test_large_transparent_pictures_shrink_over_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3000, 2000), (0, 0, 0, 0))
    image.paste((*photos.RED, 255), (0, 0, 1500, 2000))
    image.save(tmp_path / "a.png")
    small = open_photo(tmp_path / "a.png", SIDE).image
    assert small.height < 1000
    assert_near(at(small, 0.2, 0.5), photos.RED, 3)
    assert_near(at(small, 0.8, 0.5), photos.WHITE, 3)


def test_pictures_changed_in_strips_have_no_seams(tmp_path: Path) -> None:
    """Of 9 million pixels, in sides that no shrinking divides."""
    size = (3001, 3011)
    grey = Image.linear_gradient("L").resize(size)
    Image.merge("RGBA", (grey, grey.transpose(Image.Transpose.ROTATE_180), grey, grey)).save(tmp_path / "a.png")
    deep = np.asarray(grey, np.uint16) * 256 + 255
    Image.fromarray(deep).save(tmp_path / "b.png")
    factor = 3001 // (2 * 320)
    layers = Image.open(tmp_path / "a.png").reduce(factor)
    over_white = Image.new("RGB", layers.size, photos.WHITE)
    over_white.paste(layers, mask=layers.getchannel("A"))
    assert open_photo(tmp_path / "a.png", SIDE).image == over_white
    assert open_photo(tmp_path / "b.png", SIDE).image == grey.reduce(factor).convert("RGB")


@pytest.mark.parametrize(
    "maker",
    [
        lambda folder: photos.grey_16_bit(folder / "a.png"),
        lambda folder: photos.grey_16_bit(folder / "a.tif"),
        lambda folder: photos.grey_32_bit(folder / "a.tif"),
        lambda folder: photos.grey_32_bit(folder / "a.tif", most=2_000_000_000),
        lambda folder: photos.grey_float(folder / "a.tif"),
        lambda folder: photos.grey_float(folder / "a.tif", most=65535.0),
        lambda folder: photos.grey_float(folder / "a.tif", most=1e30),
    ],
)
def test_deep_greys_keep_their_ramp(tmp_path: Path, maker) -> None:
    values = np.asarray(open_photo(maker(tmp_path), SIDE).image, dtype=int)[32, :, 0]
    assert values[0] <= 2 and values[-1] >= 253
    assert abs(values[64] - 128) <= 3
    assert (np.diff(values) >= 0).all()


def test_cmyk_palette_and_one_bit_pictures_have_the_right_colours(tmp_path: Path) -> None:
    assert_near(at(open_photo(photos.cmyk(tmp_path / "c.jpg"), SIDE).image, 0.1, 0.1), photos.RED)
    photos.corners().quantize(8).save(tmp_path / "p.png")
    assert_near(at(open_photo(tmp_path / "p.png", SIDE).image, 0.9, 0.1), photos.GREEN)
    photos.corners().convert("1").save(tmp_path / "b.png")
    assert at(open_photo(tmp_path / "b.png", SIDE).image, 0.9, 0.9) == photos.WHITE


def test_sixteen_bit_colour_keeps_its_colours(tmp_path: Path) -> None:
    header = b"P6 120 80 65535\n"
    deep = np.asarray(photos.corners(), dtype=np.uint16) * 257
    (tmp_path / "a.ppm").write_bytes(header + deep.astype(">u2").tobytes())
    assert_near(at(open_photo(tmp_path / "a.ppm", SIDE).image, 0.1, 0.9), photos.BLUE, 3)


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
        assert reason(tmp_path / "cut.jpg")


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


def test_many_threads_may_open_photos_at_once(tmp_path: Path) -> None:
    paths = photos.folder_of(tmp_path, 24)
    barrier = threading.Barrier(2)

    def first_pixel(path: Path) -> tuple[int, int, int]:
        if path in paths[:2]:
            barrier.wait(10)
        return at(open_photo(path, SIDE).image, 0, 0)

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(first_pixel, paths))
    assert together == [at(open_photo(path, SIDE).image, 0, 0) for path in paths]


def test_awkward_names_open_as_bytes_and_as_paths(tmp_path: Path) -> None:
    for path in photos.awkward_folder(tmp_path):
        assert open_photo(path, SIDE).width == open_photo(Path(os.fsdecode(path)), SIDE).width == 96


def test_the_hash_is_of_the_bytes_and_only_of_them(tmp_path: Path) -> None:
    first, second = photos.jpeg(tmp_path / "a.jpg", 1), photos.jpeg(tmp_path / "b.jpg", 1)
    assert content_hash(first) == content_hash(os.fsencode(second))
    assert content_hash(first) == hashlib.blake2b(first.read_bytes(), digest_size=16).digest()
    second.write_bytes(second.read_bytes() + b"x")
    assert content_hash(first) != content_hash(second)


def test_a_file_that_its_decoder_reads_whole_is_capped_by_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    photos.picture(1).save(path)
    os.truncate(path, MAX_WHOLE_BYTES + 1_000_000)  # with a hole, which takes no room on the disk
    assert reason(path) == f"is too large to open safely: {MAX_WHOLE_BYTES // 1_000_000 + 1} MB"
