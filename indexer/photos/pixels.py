"""Pixels of any kind into RGB of a sensible size.

Knows nothing of files. Colour profiles are left aside: they shift hues a little, and an encoder does not mind.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Modes Pillow can average over blocks; doing it before any conversion keeps only one full-size copy in memory.
_REDUCIBLE = frozenset({"L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I", "F"})
_PAPER = (255, 255, 255)
# Pixels changed at once where Pillow would hold the whole picture twice.
_STRIP_PIXELS = 4_000_000


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
    """32-bit grey to 8 bits. The file does not say what white is, so the largest value tells the scale in use."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    most = float(finite.max(initial=0.0))
    white = next((scale for scale in (1.0, 255.0, 65535.0) if most <= scale), most)
    scaled: NDArray[np.float32] = np.clip(finite * (255.0 / white), 0, 255).round()
    return scaled.astype(np.uint8)
