"""Real photos to encode, from a package whose wheel carries freely licensed pictures; tests skip without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

NAMES = ("astronaut", "chelsea", "coffee", "rocket")


def demo_photos() -> dict[str, Image.Image]:
    data = pytest.importorskip("skimage.data", reason="pip install 'dar[demo]' brings real photos")
    return {name: Image.fromarray(getattr(data, name)()) for name in NAMES}


def save_photos(folder: Path) -> dict[str, Path]:
    """The same as JPEG files."""
    folder.mkdir()
    paths = {name: folder / f"{name}.jpg" for name in NAMES}
    for name, image in demo_photos().items():
        image.convert("RGB").save(paths[name], quality=92)
    return paths
