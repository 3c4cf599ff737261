"""Formats that other libraries open, in a process of their own, and other names of JPEG and PNG."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.photos.photo import open_photo
from tests import photos
from tests.indexer.opened import SIDE, assert_near, at, reason


@pytest.mark.parametrize("name", ["a.mpo", "b.jps", "c.insp"])
def test_jpegs_under_other_names_show_their_first_picture(tmp_path: Path, name: str) -> None:
    path, second = tmp_path / name, photos.picture(2, (120, 80))
    if name == "a.mpo":
        photos.corners().save(path, "MPO", save_all=True, append_images=[second])
    else:
        photos.corners().save(path, "JPEG")
    photo = open_photo(path, SIDE)
    assert (photo.format, photo.width, photo.height, photo.damage) == ("JPEG", 120, 80, "")
    assert_near(at(photo.image, 0.1, 0.1), photos.RED)


def test_an_animated_png_shows_its_first_frame(tmp_path: Path) -> None:
    (tmp_path / "a.apng").write_bytes(photos.animated(tmp_path / "a.png").read_bytes())
    photo = open_photo(tmp_path / "a.apng", SIDE)
    assert photo.format == "PNG"
    assert_near(at(photo.image, 0.5, 0.5), photos.RED)


@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_xl_is_upright_and_has_its_facts(tmp_path: Path, orientation: int) -> None:
    pytest.importorskip("pillow_jxl", reason="the extra `jxl` brings it")
    path = tmp_path / "a.jxl"
    stored = photos.corners() if orientation == 1 else photos.corners().transpose(Image.Transpose.ROTATE_90)
    stored.save(path, exif=photos.exif_bytes(orientation, "2019:07:04 12:00:00", camera=("Leica", "M6")))
    photo = open_photo(path, SIDE)
    assert (photo.format, photo.width, photo.height) == ("JXL", 120, 80)
    assert (photo.facts.taken_at, photo.facts.camera) == (datetime(2019, 7, 4, 12), "Leica M6")
    assert_near(at(photo.image, 0.1, 0.1), photos.RED)
    assert_near(at(photo.image, 0.9, 0.1), photos.GREEN)
    path.write_bytes(path.read_bytes()[:200])
    assert reason(path)


@pytest.mark.parametrize(
    "kind", ["big-endian", "big-endian deflated", "float", "float of a scanner", "planes", "inverted"]
)
def test_tiffs_that_pillow_does_not_open(tmp_path: Path, kind: str) -> None:
    tifffile = pytest.importorskip("tifffile", reason="the extra `tiff` brings it")
    bytes_ = np.asarray(photos.corners())
    floats = bytes_.astype(np.float32) / 255
    how: dict[str, object] = {"photometric": "rgb"}
    pixels = {"float": floats, "float of a scanner": floats * 65535, "planes": np.moveaxis(floats, -1, 0)}.get(
        kind, bytes_
    )
    if kind.startswith("big-endian"):
        how |= {"bigtiff": True, "byteorder": ">"}
    if kind.endswith("deflated"):
        how |= {"compression": "zlib", "predictor": True}
    if kind == "planes":
        how |= {"planarconfig": "separate"}
    if kind == "inverted":
        pixels, how = 1 - floats[:, :, 0].astype(np.float64), {"photometric": "miniswhite"}
    path = tmp_path / "a.tif"
    # 306: the time of change; 271, 272: the camera.
    tags = [(271, "s", 0, "Leica", True), (272, "s", 0, "S3", True), (306, "s", 0, "2019:07:04 12:00:00", True)]
    tifffile.imwrite(path, pixels, extratags=tags, metadata=None, software=False, **how)
    with pytest.raises(OSError):
        Image.open(path)
    photo = open_photo(path, SIDE)
    assert (photo.format, photo.width, photo.height) == ("TIFF", 120, 80)
    assert (photo.facts.camera, photo.facts.taken_at) == ("Leica S3", datetime(2019, 7, 4, 12))
    if kind != "inverted":
        assert_near(at(photo.image, 0.1, 0.1), photos.RED)
        assert_near(at(photo.image, 0.1, 0.9), photos.BLUE)
    assert_near(at(photo.image, 0.9, 0.9), photos.WHITE)


def test_a_rare_tiff_that_is_too_large_or_damaged_is_refused(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="the extra `tiff` brings it")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((30, 40, 3), np.float32), photometric="rgb")
    content = path.read_bytes()
    for tag in (b"\x00\x01\x04\x00", b"\x01\x01\x04\x00", b"\x00\x01\x03\x00", b"\x01\x01\x03\x00"):  # width and height
        place = content.find(tag)
        if place > 0:
            content = content[: place + 8] + (60_000).to_bytes(4, "little") + content[place + 12 :]
    path.write_bytes(content)
    assert reason(path) == "is too large to open safely: 60000x60000"
    path.write_bytes(content[:200])
    assert reason(path)
