"""Files that end early, as half a download or a failing card leaves them: what decodes is taken, the rest is grey."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from indexer.photos.photo import Photo, open_photo
from tests import photos
from tests.indexer.opened import SIDE, assert_near, at, reason

SIZE = (640, 480)
GREY = (128, 128, 128)


def cut(path: Path, keep: float, image: Image.Image | None = None, kind: str = "JPEG", **how: object) -> Path:
    """A noisy photo (so that bytes are spread over its rows) of which this share of the bytes arrived."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(7).integers(-6, 7, (SIZE[1], SIZE[0], 3))
    pixels = np.asarray(image or photos.corners(SIZE), np.int64) + noise
    Image.fromarray(pixels.clip(1, 255).astype(np.uint8)).save(buffer, kind, **how)
    path.write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * keep)])
    return path


def missing(photo: Photo) -> int:
    """The percentage that the note speaks of."""
    assert photo.damage.endswith(" % of the picture is missing"), photo.damage
    return int(photo.damage.split(": ")[-1].split(" %")[0])


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 90, "restart_marker_rows": 1}),
        ("PNG", {}),
        ("TIFF", {}),
        ("PPM", {}),
    ],
)
def test_the_rows_that_arrived_are_shown_and_the_rest_is_grey(
    tmp_path: Path, kind: str, how: dict[str, object]
) -> None:
    photo = open_photo(cut(tmp_path / "a.jpg", 0.7, kind=kind, **how), SIDE)
    assert (photo.width, photo.height, photo.format) == (*SIZE, kind)
    assert photo.damage.startswith("ends early (truncated): ") and 15 <= missing(photo) <= 45
    for image in (photo.image, Image.open(io.BytesIO(photo.thumbnail))):
        assert_near(at(image, 0.1, 0.1), photos.RED)
        assert_near(at(image, 0.9, 0.1), photos.GREEN)
        assert_near(at(image, 0.5, 0.97), GREY, 3)


@pytest.mark.parametrize("how", [{"quality": 90}, {"lossless": True}])
def test_a_webp_shows_what_arrived(tmp_path: Path, how: dict[str, object]) -> None:
    photo = open_photo(cut(tmp_path / "a.webp", 0.7, kind="WEBP", **how), SIDE)
    assert photo.format == "WEBP" and 10 <= missing(photo) <= 50
    assert_near(at(photo.image, 0.1, 0.1), photos.RED)
    assert_near(at(photo.image, 0.9, 0.1), photos.GREEN)
    assert_near(at(photo.image, 0.5, 0.98), GREY, 3)
    path = cut(tmp_path / "b.webp", 1.0, kind="WEBP", **how)
    assert open_photo(path, SIDE).damage == ""


def test_a_bitmap_lacks_its_upper_rows(tmp_path: Path) -> None:
    photo = open_photo(cut(tmp_path / "a.bmp", 0.7, kind="BMP"), SIDE)
    assert 25 <= missing(photo) <= 35
    assert_near(at(photo.image, 0.1, 0.9), photos.BLUE)
    assert_near(at(photo.image, 0.5, 0.03), GREY, 3)


@pytest.mark.parametrize("bytes_missing", [1, 2, 20])
def test_only_the_end_is_missing(tmp_path: Path, bytes_missing: int) -> None:
    whole = photos.jpeg(tmp_path / "whole.jpg", image=photos.corners(SIZE))
    path = tmp_path / "a.jpg"
    path.write_bytes(whole.read_bytes()[:-bytes_missing])
    photo = open_photo(path, SIDE)
    assert photo.damage.startswith("ends early (truncated): ")
    assert_near(at(photo.image, 0.9, 0.9), photos.WHITE)
    assert open_photo(whole, SIDE).damage == ""


def test_half_a_progressive_jpeg_is_whole_but_blurred(tmp_path: Path) -> None:
    photo = open_photo(cut(tmp_path / "a.jpg", 0.5, progressive=True), SIDE)
    assert photo.damage == "ends early (truncated): detail may be missing"
    for place, colour in (((0.1, 0.1), photos.RED), ((0.1, 0.9), photos.BLUE)):
        assert_near(at(photo.image, *place), colour)


@pytest.mark.parametrize("keep", [0.4, 0.7])
def test_an_interlaced_gif_is_whole_but_coarse(tmp_path: Path, keep: float) -> None:
    photo = open_photo(cut(tmp_path / "a.gif", keep, kind="GIF"), SIDE)
    assert photo.damage.startswith("ends early (truncated): ")
    for place, colour in (((0.1, 0.1), photos.RED), ((0.9, 0.1), photos.GREEN), ((0.1, 0.9), photos.BLUE)):
        assert_near(at(photo.image, *place), colour, 50)


def test_a_cut_photo_is_turned_and_has_its_facts(tmp_path: Path) -> None:
    stored = photos.corners(SIZE).transpose(Image.Transpose.ROTATE_90)
    exif = photos.exif_bytes(6, "2019:07:04 12:00:00", (48.0, 11.0), ("Leica", "M6"))
    whole = photos.jpeg(tmp_path / "a.jpg", image=stored, exif=exif).read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: int(len(whole) * 0.6)])
    photo = open_photo(tmp_path / "a.jpg", SIDE)
    assert (photo.width, photo.height) == SIZE and photo.damage
    assert (photo.facts.camera, photo.facts.latitude) == ("Leica M6", 48.0)


def test_a_cut_photo_of_two_pictures_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.mpo"
    photos.corners(SIZE).save(path, "MPO", save_all=True, append_images=[photos.picture(2, SIZE)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])  # within the second one: the first, which is shown, is whole
    assert open_photo(path, SIDE).damage == ""
    path.write_bytes(whole[: len(whole) // 5])
    assert open_photo(path, SIDE).damage.startswith("ends early (truncated)")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_where_next_to_nothing_decodes_the_file_is_refused(tmp_path: Path, kind: str) -> None:
    assert reason(cut(tmp_path / "a.jpg", 0.03, kind=kind)).startswith(("ends early", "is damaged", "is not an image"))


def test_a_byte_amiss_in_a_png_leaves_the_rows_before_it(tmp_path: Path) -> None:
    path = cut(tmp_path / "a.png", 1.0, kind="PNG")
    content = bytearray(path.read_bytes())
    content[len(content) * 7 // 10] ^= 0xFF
    path.write_bytes(content)
    photo = open_photo(path, SIDE)
    assert photo.damage.startswith("is damaged") and missing(photo) < 50
    assert_near(at(photo.image, 0.1, 0.1), photos.RED)


def test_whole_and_cut_photos_at_once_keep_apart(tmp_path: Path) -> None:
    """Pillow's own switch is one for all threads; dar leaves it alone."""
    whole = photos.jpeg(tmp_path / "whole.jpg", image=photos.corners(SIZE))
    half = cut(tmp_path / "half.jpg", 0.5)
    with ThreadPoolExecutor(8) as pool:
        damages = list(pool.map(lambda path: open_photo(path, SIDE).damage, [whole, half] * 40))
    assert not any(damages[::2]) and all(damages[1::2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("name", ["a.heic", "a.avif", "a.jp2", "a.j2k", "a.jxl"])
@pytest.mark.parametrize("share", [0.99, 0.5, 0.1])
def test_what_cannot_be_opened_in_part_is_refused_as_ending_early(tmp_path: Path, name: str, share: float) -> None:
    """Their decoders say no more than that something is wrong."""
    formats = {"heic": "HEIF", "avif": "AVIF", "jxl": "JXL", "jp2": "JPEG2000", "j2k": "JPEG2000"}
    kind = formats[name.partition(".")[2]]
    for extra in {"HEIF": ["pillow_heif"], "AVIF": ["pillow_avif"], "JXL": ["pillow_jxl"]}.get(kind, []):
        module = pytest.importorskip(extra, reason="an extra brings it")
        if kind == "HEIF":
            module.register_heif_opener()
    path = tmp_path / name
    photos.picture(1, (320, 240)).save(path, kind)
    assert open_photo(path, SIDE).damage == ""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused = reason(path)
    assert refused == "ends early (truncated)" or (name == "a.jxl" and refused.endswith("or ends early (truncated)"))
