"""Photos made up for measuring: as many pixels and bytes as a camera's, with EXIF, no two alike.

Knows nothing of what is measured with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# 4000 x 3000 at quality 92: about 4 MB, what cameras and phones of 12 megapixels write.
LARGE = (4000, 3000)
SMALL = (640, 480)
_QUALITY = 92
# Noise of these cell sizes in pixels, and how strong each is: large things, small things, grain.
_SCALES = ((400, 70.0), (80, 40.0), (16, 24.0), (4, 12.0), (1, 6.0))
# Making noise for 12 megapixels takes a second, so a few pictures are made and shifted about.
_DISTINCT = 6
_ORIENTATION, _MODEL, _TAKEN, _EXIF_IFD, _GPS_IFD = 0x0112, 0x0110, 0x9003, 0x8769, 0x8825


def make_photos(folder: Path, count: int, size: tuple[int, int], processes: int = 2) -> list[Path]:
    """Writes `count` JPEGs of this size (width, height) into `folder`; returns their paths, sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [list(range(part, count, processes)) for part in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(_write, repeat(folder), numbers, repeat(size)))
    return sorted(folder.iterdir())


def _write(folder: Path, numbers: Sequence[int], size: tuple[int, int]) -> None:
    pictures = [_noise(size, seed) for seed in range(min(_DISTINCT, len(numbers)))]
    chance = np.random.default_rng(len(numbers))
    for number in numbers:
        shift = tuple(int(chance.integers(0, length)) for length in reversed(size))
        pixels = np.roll(pictures[number % len(pictures)], shift, axis=(0, 1))
        Image.fromarray(pixels).save(folder / f"IMG_{number:05}.jpg", quality=_QUALITY, exif=_exif(number))


def _noise(size: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    chance = np.random.default_rng(seed)
    total = np.full((size[1], size[0], 3), 128.0, np.float32)
    for cell, strength in _SCALES:
        cells = chance.normal(0, strength, (size[1] // cell + 1, size[0] // cell + 1, 3)).astype(np.float32)
        for channel in range(3):
            grey = Image.fromarray(cells[:, :, channel]).resize(size, Image.Resampling.BICUBIC)
            total[:, :, channel] += np.asarray(grey)
    return total.clip(0, 255).astype(np.uint8)


def _exif(number: int) -> Image.Exif:
    exif = Image.Exif()
    # Every third was taken upright, with the camera turned.
    exif[_ORIENTATION] = 6 if number % 3 == 0 else 1
    exif[_MODEL] = "Made Up 12"
    exif[_EXIF_IFD] = {_TAKEN: f"2020:01:{1 + number % 28:02} {number % 24:02}:{number % 60:02}:00"}
    exif[_GPS_IFD] = {1: "N", 2: (48.0, float(number % 60), 0.0), 3: "E", 4: (11.0, 30.0, 0.0)}
    return exif
