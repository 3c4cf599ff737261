"""Opening one photo and looking at its colours."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from indexer.errors import UnreadablePhoto
from indexer.photos.photo import open_photo

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
