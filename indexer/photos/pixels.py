"""Pixels of any kind into RGB of a sensible size, and into a number by which the same picture is recognised.

Knows nothing of files. Colour profiles are left aside: they shift hues a little, and an encoder does not mind.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Modes Pillow can average over blocks; doing it before any conversion keeps only one full-size copy in memory.
_REDUCIBLE = frozenset({"L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", "F"})
_PAPER = (255, 255, 255)
# Pixels changed at once where Pillow would hold the whole picture twice.
_STRIP_PIXELS = 4_000_000
# The side of the picture a hash is made of, and what of its frequencies count: the lowest but the very first, which say
# no more than how light the middle is against the margins, and make pages of one layout alike.
_HASH_SIDE, _HASH_FREQUENCIES = 32, slice(1, 9)
# In grey levels, of a cosine transform that keeps lengths: what rounding and strong JPEG leave in a frequency. Taken
# away from smooth pictures only, most of whose frequencies are no more than that; elsewhere it would make the hash
# depend on brightness (of darkened pages of text 90 % stayed within 4 bits, without it all).
_HASH_NOISE = 3.0


def to_rgb(image: Image.Image, side: int) -> Image.Image:
    """Loads the image and returns it as RGB, transparency laid over white.

    The shorter side comes out between `side` and four times that where the image is that large; the rest of the way
    is left to whoever resizes last, with a better filter than block averages. Carries no metadata. Raises what
    Pillow's decoders raise.
    """
    image.load()
    colour_key = "transparency" in image.info and image.mode in ("1", "L", "RGB", "P")
    factor = min(image.size) // (2 * side)
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips 16-bit values at 255: nearly every pixel would come out white.
        image = _by_strips(image, "L", 1, _high_bytes)
    if factor > 1 and image.mode in ("LA", "RGBA"):
        # For transparency's sake Pillow makes a copy of the whole picture first.
        image = _by_strips(image, image.mode, factor, lambda strip: strip.reduce(factor))
    elif factor > 1 and image.mode in _REDUCIBLE and not colour_key:
        image = image.reduce(factor)
    rgb = _flattened(image) if colour_key or image.mode in ("RGBA", "LA", "PA", "RGBa", "La") else _opaque(image)
    factor = min(rgb.size) // (2 * side)
    if factor > 1:
        rgb = rgb.reduce(factor)
    rgb.info = {}
    return rgb


def picture_hash(image: Image.Image) -> int:
    """A signed 64-bit perceptual hash: pictures that look the same differ in few bits, others in about half.

    pHash (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010): whether each of the 8x8
    lowest frequencies of the picture's discrete cosine transform is above their median. A picture of one colour is 0.
    """
    grey = image.convert("L").resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.LANCZOS)
    waves = _waves()
    found = (waves @ np.asarray(grey, np.float64) @ waves.T).ravel()
    if np.median(np.abs(found)) < _HASH_NOISE:
        found[np.abs(found) < _HASH_NOISE] = 0
    return int(np.packbits(found > np.median(found)).view(">i8")[0])


@cache
def _waves() -> NDArray[np.float64]:
    """(8, 32): the rows of the orthonormal cosine transform that count."""
    frequency, place = np.mgrid[_HASH_FREQUENCIES, :_HASH_SIDE]
    return np.asarray(np.cos(np.pi * frequency * (2 * place + 1) / (2 * _HASH_SIDE)) * (2 / _HASH_SIDE) ** 0.5)


def _flattened(image: Image.Image) -> Image.Image:
    layered = image.convert("RGBA")
    paper = Image.new("RGB", layered.size, _PAPER)
    paper.paste(layered, mask=layered.getchannel("A"))
    return paper


def _by_strips(image: Image.Image, mode: str, factor: int, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """What `change` makes of the image, `factor` times smaller (rounded up), made strip by strip."""
    width, height = image.size
    rows = factor * max(1, _STRIP_PIXELS // (width * factor))
    changed = Image.new(mode, (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(height, top + rows)))
        changed.paste(change(strip), (0, top // factor))
    return changed


def _high_bytes(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        return Image.fromarray(to_bytes(np.asarray(image, np.float32))).convert("RGB")
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """32-bit grey to 8 bits. The file does not say what white is, so the largest value decides the scale."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    most = float(finite.max(initial=0.0))
    white = next((scale for scale in (1.0, 255.0, 65535.0) if most <= scale), most)
    scaled: NDArray[np.float32] = np.clip(finite * (255.0 / white), 0, 255).round()
    return scaled.astype(np.uint8)
