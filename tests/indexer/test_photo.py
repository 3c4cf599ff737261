"""Decoding: orientation, modes, sizes, colours, thumbnails, hashes."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.photos.photo import content_hash, open_photo
from tests import photos
from tests.indexer.opened import SIDE, assert_near, at, reason

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
